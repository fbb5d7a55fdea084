package main

import (
	"strings"
	"testing"
)

// goFile returns a file of Go whose package has a comment of these lines.
func goFile(lines ...string) map[string]string {
	return map[string]string{"queue/doc.go": "// Package queue is here.\n//\n" + strings.Join(lines, "\n") + "\npackage queue\n"}
}

func TestCommentsThatCompile(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"a block":           goFile("//\td := time.Duration(3)", "//", "//\tfmt.Println(d)"),
		"needs":             goFile("//\tsend(time.Duration(d))", "//", "//snippets:needs d int; send func(time.Duration)"),
		"needs of two":      goFile("//\ta(time.Now())", "//", "// and", "//", "//\ta(time.Now())", "//", "//snippets:needs a func(time.Time)"),
		"no code of Go":     goFile("//\tcount + 1 = time.Second", "//\tmake things of x.Y(1)"),
		"prose":             goFile("// time.Duration(x is not indented."),
		"a fragment":        goFile("//\ttime.Sleep(...)", "//", "//snippets:fragment a part"),
		"tests":             {"queue/a_test.go": "// A:\n//\n//\ttime.Wrong()\npackage queue\n"},
		"hidden":            {".cache/a.go": "// A:\n//\n//\ttime.Wrong()\npackage queue\n"},
		"no package at all": goFile("//\tsent(1)"),
	} {
		t.Run(name, func(t *testing.T) {
			if name == "a fragment" {
				files["fragments.txt"] = "queue/doc.go 1\n"
				if lines, err := runOn(t, files, "-fragments", "DIR/fragments.txt"); err != nil {
					t.Error(lines, err)
				}
				return
			}
			want(t, files)
		})
	}
}

func TestMistakesInCommentsHaveTheirLine(t *testing.T) {
	for line, files := range map[string]map[string]string{
		"queue/doc.go:4: undefined: d":             goFile("//\tfmt.Println(", "//\t\td)"),
		"queue/doc.go:5: undefined: time.Now2":     goFile("//\ta := time.Now()", "//", "//\ta = time.Now2()"),
		"queue/doc.go:3: expected":                 goFile("//\tfor time.Now() := {"),
		"queue/doc.go:5: undefined: Duration":      goFile("//\tfmt.Println(d)", "//", "//snippets:needs d Duration"),
		"queue/doc.go:3: a comment for a block of": goFile("//snippets:needs d int"),
		"queue/a.go:7: undefined: sent": {"queue/a.go": "package queue\n\n// F is\n//\n" +
			"//\ta := time.Now()\n//\n//\tsent(a)\nfunc F() {}\n"},
	} {
		t.Run(line, func(t *testing.T) { want(t, files, line) })
	}
}
