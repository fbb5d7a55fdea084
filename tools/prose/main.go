// Command prose checks the sentences of the documentation and of the comments of Go files, except
// those of tests. It prints each sentence that is too long or has words that rules.go refuses, and
// each comment beyond 100 columns. It exits with 1 if there is any. With -wrap it wraps the
// comments of all Go files, tests included, and checks nothing.
//
// Usage:
//
//	prose [-dir directory] [-words most words of a sentence] [-tests] [-wrap] [-exempt path]...
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// errFound is the result of a run that has found mistakes.
var errFound = errors.New("want these sentences in the words of the house")

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "prose:", err)
		os.Exit(1)
	}
}

type options struct {
	dir    string
	words  int
	tests  bool
	wrap   bool
	exempt []string // paths below dir, of files or directories
}

func run(args []string, out io.Writer) error {
	var o options
	flags := flag.NewFlagSet("prose", flag.ContinueOnError)
	flags.StringVar(&o.dir, "dir", ".", "the directory of the files")
	flags.IntVar(&o.words, "words", 40, "the most words of a sentence")
	flags.BoolVar(&o.tests, "tests", false, "check the comments of tests, too")
	flags.BoolVar(&o.wrap, "wrap", false, "wrap comments at 100 columns")
	flags.Func("exempt", "a file or directory that is left out", func(path string) error {
		o.exempt = append(o.exempt, filepath.FromSlash(path))
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	files, err := o.files()
	if err != nil {
		return err
	}
	found := false
	for _, file := range files {
		lines, err := o.one(filepath.Join(o.dir, file))
		if err != nil {
			return err
		}
		for _, line := range lines {
			found = found || !o.wrap
			fmt.Fprintln(out, file+line)
		}
	}
	if found {
		return errFound
	}
	return nil
}

// files returns the Go and Markdown files below dir, except hidden directories, testdata and those
// that are exempt.
func (o *options) files() ([]string, error) {
	var files []string
	err := filepath.WalkDir(o.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		file, err := filepath.Rel(o.dir, path)
		if err != nil {
			return err
		}
		name := entry.Name()
		hidden := file != "." && (strings.HasPrefix(name, ".") || name == "testdata")
		switch out := hidden || slices.Contains(o.exempt, file); {
		case out && entry.IsDir():
			return filepath.SkipDir
		case !out && !entry.IsDir() && (o.isGo(file) || !o.wrap && filepath.Ext(file) == ".md"):
			files = append(files, file)
		}
		return nil
	})
	return files, err
}

func (o *options) isGo(file string) bool {
	return filepath.Ext(file) == ".go" && (o.tests || o.wrap || !strings.HasSuffix(file, "_test.go"))
}

// one checks or wraps one file. It returns a line for each mistake, or one for a file that has
// changed.
func (o *options) one(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(text), "\n")
	switch {
	case o.wrap:
		after := wrapped(lines)
		if slices.Equal(lines, after) {
			return nil, nil
		}
		return []string{""}, os.WriteFile(file, []byte(strings.Join(after, "\n")), 0o644) //nolint:gosec // a source file
	case filepath.Ext(file) == ".md":
		return checkAll(markdownProse(lines), o.words), nil
	}
	prose, err := goProse(file, text)
	bad := checkAll(prose, o.words)
	printed := false // by an example
	for n, line := range lines {
		printed = output.MatchString(line) || printed && comment.MatchString(line)
		if !printed && tooWide(line) {
			bad = append(bad, fmt.Sprintf(":%d: a comment beyond %d columns: run make fmt", n+1, width))
		}
	}
	return bad, err
}

func checkAll(all []paragraph, words int) []string {
	var bad []string
	for _, p := range all {
		for _, s := range sentences(p) {
			for _, mistake := range check(s, words) {
				bad = append(bad, fmt.Sprintf(":%d: %s", s.line, mistake))
			}
		}
	}
	return bad
}
