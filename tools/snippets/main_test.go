package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// runOn runs the command on documents, and returns the lines that it prints.
func runOn(t *testing.T, files map[string]string, args ...string) ([]string, error) {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{
		"go.mod": "module example.com/docs\n\ngo 1.26.0\n", "README.md": "", "CONTRIBUTING.md": "", "docs/a.md": "",
		"Makefile": "race test: export X = 1\ntest: build\nmatrix-%:\n.PHONY: site\nsite: ## Make\n", "examples/shop/main.go": "package main\n",
	}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for n, arg := range args {
		args[n] = strings.ReplaceAll(arg, "DIR", dir)
	}
	var out bytes.Buffer
	err := run(append([]string{"-dir", dir}, args...), &out)
	return strings.FieldsFunc(out.String(), func(c rune) bool { return c == '\n' }), err
}

// want fails the test unless the command prints lines that begin so.
func want(t *testing.T, files map[string]string, lines ...string) {
	t.Helper()
	got, err := runOn(t, files)
	if !slices.EqualFunc(got, lines, strings.HasPrefix) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
	if errors.Is(err, errFound) != (len(lines) > 0) || len(lines) == 0 && err != nil {
		t.Error(err)
	}
}

// md returns a document of these lines, whose quotation marks ' are those of code.
func md(lines ...string) string {
	return strings.ReplaceAll(strings.Join(lines, "\n"), "'''", "```") + "\n"
}

func TestCodeThatCompiles(t *testing.T) {
	for name, document := range map[string]string{
		"a file":                  md("'''go", "package main", "", "import \"fmt\"", "", "func main() { fmt.Println() }", "'''"),
		"declarations":            md("'''go", "type T struct{ at time.Time }", "", "func (t T) F() error {", "", "\treturn nil", "}", "'''"),
		"statements":              md("'''go", "ctx, stop := context.WithCancel(context.Background())", "defer stop()", "'''"),
		"both":                    md("'''go", "var d = time.Second", "", "time.AfterFunc(d, f)", "", "func f() {}", "'''"),
		"an error is returned":    md("'''go", "if err := os.Remove(\"x\"); err != nil {", "\treturn err", "}", "'''"),
		"values without use":      md("'''go", "url.URL{Host: \"a\"} // a comment", "n, err := os.Getwd()", "time.Second", "'''"),
		"needs":                   md("<!-- needs: d time.Duration; send func(T) error; type T struct{ A int; B string } -->", "'''go", "send(T{A: int(d)})", "'''"),
		"needs in two lines":      md("<!-- needs: a int -->", "<!-- needs: b, c int -->", "", "'''go", "_ = a + b + c", "'''"),
		"a need hides a package":  md("<!-- needs: log struct{ N int } -->", "'''go", "_ = log.N", "'''"),
		"another need hides one":  md("<!-- needs: a, log struct{ N int } -->", "'''go", "_ = log.N + a.N", "'''"),
		"a variable hides one":    md("'''go", "url := url.URL{}", "_ = url.Host", "'''"),
		"omitted bodies":          md("'''go", "func f() int { ... }", "", "func g() (int, error) {", "\t...", "}", "'''"),
		"omitted statements":      md("'''go", "for {", "\t...", "}", "'''"),
		"in a list":               md("- item", "", "  '''go", "  s := `a", "  b`", "  '''"),
		"another language":        md("'''elixir", "def f, do: 1", "'''", "", "'''", "broken(", "'''"),
		"the names of two blocks": md("'''go", "type T int", "'''", "text", "'''go", "type T string", "'''"),
	} {
		t.Run(name, func(t *testing.T) { want(t, map[string]string{"docs/a.md": document}) })
	}
}

func TestMistakesHaveTheirLine(t *testing.T) {
	for line, document := range map[string]string{
		"docs/a.md:3: undefined: sent":                                     md("# A", "'''go", "sent(1)", "'''"),
		"docs/a.md:5: undefined: sent":                                     md("'''go", "func f() {}", "", "", "sent(1)", "'''"),
		"docs/a.md:2: undefined: smtp":                                     md("'''go", "_ = smtp.Error{}", "'''"),
		"docs/a.md:3: undefined: time.Secnod":                              md("'''go", "type T struct {", "\tA time.Duration `x:\"1\"`; B [time.Secnod]int", "}", "'''"),
		"docs/a.md:4: no new variables on left side of :=":                 md("'''go", "a, err := os.Getwd()", "_, _ = a, err", "a, err := os.Getwd()", "'''"),
		"docs/a.md:2: label Retry declared and not used":                   md("'''go", "Retry: time.Now()", "'''"),
		"docs/a.md:1: undefined: Duration":                                 md("<!-- needs: d Duration -->", "'''go", "_ = d", "'''"),
		"docs/a.md:4: expected ';', found Now":                             md("'''go", "func f() {}", "", "time Now()", "'''"),
		"docs/a.md:3: not enough return values\n\thave ()\n\twant (error)": md("'''go", "if true {", "\treturn", "}", "'''"),
		"docs/a.md:4: could not import nowhere/x (":                        md("'''go", "package main", "", "import _ \"nowhere/x\"", "'''"),
		"docs/a.md:1: a comment for a block of Go, without one below it":   md("<!-- needs: a int -->", "text", "'''go", "_ = 1", "'''"),
		"docs/a.md:2: a comment for a block of Go, without one below it":   md("", "<!-- fragment: why -->", "'''sh", "make site", "'''"),
	} {
		t.Run(line, func(t *testing.T) {
			want(t, map[string]string{"docs/a.md": document}, strings.Split(line, "\n")...)
		})
	}
}

func TestEveryDocumentIsRead(t *testing.T) {
	bad := md("'''go", "_ = x", "'''")
	want(t, map[string]string{"README.md": bad, "CONTRIBUTING.md": bad, "docs/a.md": bad, "docs/b/c.md": bad, "docs/d.txt": bad, "other.md": bad},
		"README.md:2: undefined: x", "CONTRIBUTING.md:2: undefined: x", "docs/a.md:2: undefined: x", "docs/b/c.md:2: undefined: x")
}

func TestFragmentsAreCounted(t *testing.T) {
	fragment := md("<!-- fragment: the API of others -->", "'''go", "this is no Go", "'''")
	files := map[string]string{"docs/a.md": fragment, "list": "# fragments\ndocs/a.md 1 # theirs\n"}
	if got, err := runOn(t, files, "-fragments", "DIR/list"); err != nil {
		t.Error(got, err)
	}
	for list, line := range map[string]string{
		"":              "docs/a.md:1: 1 fragments, and 0 in the list of fragments: change the list, with a reason",
		"docs/a.md 2\n": "docs/a.md:1: 1 fragments, and 2 in the list of fragments: change the list, with a reason",
	} {
		files["list"] = list
		if got, err := runOn(t, files, "-fragments", "DIR/list"); !errors.Is(err, errFound) || !slices.Equal(got, []string{line}) {
			t.Error(got, err)
		}
	}
	files["list"] = "docs/a.md one"
	if _, err := runOn(t, files, "-fragments", "DIR/list"); err == nil || errors.Is(err, errFound) {
		t.Error(err)
	}
}

func TestCommandsMustExist(t *testing.T) {
	want(t, map[string]string{"README.md": md("'''sh", "make test site X=\"a b\" Y=c # and more", "go run ./examples/shop # nothing else",
		"go test -run X ./...", "go -C examples test -race ./shop/...", "cd examples", "go run ./shop", "go run .", "'''")})
	want(t, map[string]string{"README.md": md("'''sh", "make tests", "make site && go run ./examples/shoq -x", "cd examples", "go run ./examples/shop",
		"go -C shop test ./api", "'''")},
		"README.md:2: the Makefile has no target tests", "README.md:3: there is no directory examples/shoq",
		"README.md:5: there is no directory examples/examples/shop", "README.md:6: there is no directory examples/shop/api")
}
