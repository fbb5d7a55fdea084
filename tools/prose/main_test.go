package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// write makes a directory with these files.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// runIn returns the lines that the command prints, and its error.
func runIn(dir string, args ...string) ([]string, error) {
	var out bytes.Buffer
	err := run(append([]string{"-dir", dir}, args...), &out)
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"), err
}

func TestEachRuleFindsItsWords(t *testing.T) {
	for text, want := range map[string]string{
		"It ends, whatever comes.":           `"whatever"`,
		"It is closed by whoever opened it.": `"whoever"`,
		"Nobody waits.":                      `"Nobody"`,
		"It is a call of the user's.":        `"of the user's"`,
		"It is a field of the caller's.":     `"of the caller's."`,
		"It begins anew.":                    `"anew"`,
		"It says so.":                        `"says"`,
		"It hears of the end.":               `"hears"`,
		"The caller closes what he opened.":  `"he"`,
		"What is left is lost.":              `"What is left is lost."`,
		"One. What is\nleft is lost.":        `"What is left is lost."`,
	} {
		bad := checkAll([]paragraph{{line: 7, text: text}}, 40)
		if len(bad) != 1 || !strings.HasPrefix(bad[0], ":7: "+want+": want ") {
			t.Errorf("%q: %q", text, bad)
		}
	}
}

func TestQuotationsQuestionsAndOtherWordsAreNotFound(t *testing.T) {
	for _, text := range []string{
		"What is left?", "It logs \"nobody knows\".", "Call `whatever` first.", "The header states whether it is new.",
		"Users know, hear, say and tell.", "See [the page](whatever.md).", "Manewar.",
		"It is the end of the caller's turn.",
	} {
		if bad := checkAll([]paragraph{{line: 1, text: text}}, 40); len(bad) > 0 {
			t.Errorf("%q: %q", text, bad)
		}
	}
}

func TestSentencesEndAtTheirStops(t *testing.T) {
	got := sentences(paragraph{line: 3, text: "One, e.g. this. protoactor-go is\nnext (it is.)\nIs `a. b` one? \"X. Y.\" ends... here."})
	want := []sentence{
		{3, "One, e.g. this."},
		{3, "protoactor-go is next (it is.)"},
		{5, "Is Q one?"},
		{5, "Q ends... here."},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestASentenceIsTooLong(t *testing.T) {
	for n, want := range map[int]int{40: 0, 41: 1} {
		text := strings.TrimSpace(strings.Repeat("word ", n)) + "."
		if bad := checkAll([]paragraph{{line: 1, text: text}}, 40); len(bad) != want {
			t.Error(n, bad)
		}
	}
}

func TestGoFiles(t *testing.T) {
	source := `// Package a hears.
//
//	code says nothing
//
// # Whatever heading
//
//   - an item knows
package a

//go:generate whatever
//nolint:x // nobody
var text = "whatever" // it tells

/* Text
says. */

// Output:
// nobody
`
	dir := write(t, map[string]string{"a.go": source, "a_test.go": source, "testdata/b.go": source, ".git/b.go": source})
	got, err := runIn(dir)
	want := []string{"a.go:1: ", "a.go:7: ", "a.go:11: ", "a.go:12: ", "a.go:14: "}
	if err == nil || len(got) != len(want) {
		t.Fatalf("%v\n%s", err, strings.Join(got, "\n"))
	}
	for n := range want {
		if !strings.HasPrefix(got[n], want[n]) {
			t.Errorf("got %s, want %s", got[n], want[n])
		}
	}
	if got, _ := runIn(dir, "-tests"); len(got) != 2*len(want) {
		t.Errorf("with tests:\n%s", strings.Join(got, "\n"))
	}
	if got, err := runIn(dir, "-exempt", "a.go"); err != nil {
		t.Errorf("exempt: %v", got)
	}
}

func TestMarkdown(t *testing.T) {
	text := "# What a heading says\n\nA [link](says.md) to `says`.\n\n```\nwhatever\n```\n\n| a | it says |\n|---|---|\n" +
		"- fine\n- It\n  knows.\n"
	got, err := runIn(write(t, map[string]string{"docs/a.md": text}), "-exempt", "docs/b.md")
	want := []string{
		`docs/a.md:9: "says": want "reports", "returns", "has" or "is called when"`,
		`docs/a.md:12: "knows": want "reports", "returns", "has" or "is called when"`,
	}
	if err == nil || !slices.Equal(got, want) {
		t.Errorf("%v\n%s", err, strings.Join(got, "\n"))
	}
}

func TestWrap(t *testing.T) {
	wide := strings.TrimSpace(strings.Repeat("word ", 25))
	first, rest := strings.TrimSpace(strings.Repeat("word ", 19)), strings.TrimSpace(strings.Repeat("word ", 6))
	before := strings.Join([]string{
		"package a", "", "// " + wide, "// end", "//", "// short", "// lines", "//", "//   - " + wide, "//\t" + wide,
		"var a = 1 // " + wide, "\t// " + wide, "//nolint:x // " + wide, "// https://" + wide,
		"", "// Output:", "// " + wide, "", "\t// Unordered output:", "\t// " + wide, "",
	}, "\n")
	after := strings.Join([]string{
		"package a", "", "// " + first, "// " + rest + " end", "//", "// short", "// lines", "//", "//   - " + wide, "//\t" + wide,
		"var a = 1 // " + wide, "\t// " + strings.TrimSpace(strings.Repeat("word ", 18)),
		"\t// " + strings.TrimSpace(strings.Repeat("word ", 7)), "//nolint:x // " + wide, "// https://" + wide,
		"", "// Output:", "// " + wide, "", "\t// Unordered output:", "\t// " + wide, "",
	}, "\n")
	dir := write(t, map[string]string{"a_test.go": before, "b.go": before})
	for n, want := range [][]string{{"a_test.go", "b.go"}, {""}} {
		if got, err := runIn(dir, "-wrap"); err != nil || !slices.Equal(got, want) {
			t.Fatal(n, got, err)
		}
		for _, name := range []string{"a_test.go", "b.go"} {
			if got, _ := os.ReadFile(filepath.Join(dir, name)); string(got) != after {
				t.Fatalf("%s is\n%s", name, got)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "b.go"), []byte("package a\n\n// "+wide+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := runIn(dir); err == nil || !slices.Equal(got, []string{"b.go:3: a comment beyond 100 columns: run make fmt"}) {
		t.Error(got, err)
	}
}

func TestABadFileIsAnError(t *testing.T) {
	if _, err := runIn(write(t, map[string]string{"a.go": "no Go"})); err == nil {
		t.Error("no error")
	}
	if _, err := runIn(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error")
	}
}
