package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

func TestEveryRelativeLinkLeadsSomewhere(t *testing.T) {
	for _, file := range append(docs(t), filepath.Join(root, "CONTRIBUTING.md"), filepath.Join(root, "CHANGELOG.md")) {
		bad, err := badLinks(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range bad {
			t.Error(line)
		}
	}
}

func TestProseIsWrapped(t *testing.T) {
	for _, file := range docs(t) {
		lines, err := read(file)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(lines, wrapped(lines)) {
			t.Errorf("%s has prose beyond %d columns: run make fmt", file, width)
		}
	}
}

func TestEveryDecisionIsInTheIndex(t *testing.T) {
	index, err := os.ReadFile(filepath.Join(root, "docs/decisions/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "docs/decisions/[0-9]*.md"))
	if err != nil || len(files) < 30 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		if name := filepath.Base(file); strings.Count(string(index), "]("+name+")") != 1 {
			t.Errorf("docs/decisions/README.md must have one line for %s", name)
		}
	}
}

func TestOnlyProseIsWrapped(t *testing.T) {
	word := strings.Repeat("word ", 30)
	text := []string{
		"# " + word, "", "| " + word, "```", word, "```", "![" + word + "](x.svg)",
		"- " + word + "`a code span of more than one word`", "  and its second line", "short", "lines", "",
		strings.Repeat("x", 97) + " - dashes", "", strings.Repeat("x", 120),
	}
	want := []string{
		"# " + word, "", "| " + word, "```", word, "```", "![" + word + "](x.svg)",
		"- " + strings.TrimSpace(strings.Repeat("word ", 19)),
		"  " + strings.Repeat("word ", 11) + "`a code span of more than one word` and its",
		"  second line short lines", "",
		strings.Repeat("x", 97) + " -", "dashes", "", strings.Repeat("x", 120),
	}
	if got := wrapped(text); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if again := wrapped(want); !slices.Equal(again, want) {
		t.Errorf("wrapped again it is\n%s", strings.Join(again, "\n"))
	}
}

func TestLinksThatLeadNowhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.md")
	text := "# Two words\n## `Two` words!\n[a](a.md#two-words) [b](#two-words-1) [c](https://x.org/y) `[d](d)`\n" +
		"[e](b.md) [f](#three)\n```\n[g](g)\n# Four\n```\n[h](a.md#four)"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	bad, err := badLinks(file)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{":4: b.md leads nowhere", ":4: #three leads nowhere", ":9: a.md#four leads nowhere"}
	for n := range want {
		want[n] = file + want[n]
	}
	if !slices.Equal(bad, want) {
		t.Error(bad)
	}
}

func docs(t *testing.T) []string {
	t.Helper()
	files, err := documents(root)
	if err != nil || len(files) < 40 {
		t.Fatal(len(files), err)
	}
	return files
}
