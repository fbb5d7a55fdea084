// Command chart puts the results of `go run . -json`, which it reads from the standard input, into the documentation: the table between the
// two marks, and a bar chart for each suite next to it.
//
//	go run . -suite all -json | go run ./chart
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gentask/gentask/bench/result"
)

func main() {
	doc := flag.String("doc", "../docs/performance.md", "the document; its charts lie in the directory performance next to it")
	flag.Parse()
	if err := run(os.Stdin, *doc); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

// The marks between which a document's results lie.
const (
	beginMark = "<!-- results: begin. Written by `go run ./chart` in bench/; do not edit. -->\n"
	endMark   = "<!-- results: end -->\n"
)

var (
	errNoResults = errors.New("no results to read; want the output of `go run . -json`")
	errNoMarks   = errors.New("the document has no place for results; want the two marks")
)

func run(in io.Reader, doc string) error {
	lines, err := result.Read(in)
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return errNoResults
	}
	old, err := os.ReadFile(doc)
	if err != nil {
		return err
	}
	dir := filepath.Join(filepath.Dir(doc), "performance")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var text bytes.Buffer
	for _, suite := range bySuite(lines) {
		name := suite[0].Suite
		writeTable(&text, name, suite)
		if svg := bars(suite); svg != "" {
			if err := os.WriteFile(filepath.Join(dir, name+".svg"), []byte(svg), 0o644); err != nil {
				return err
			}
			fmt.Fprintf(&text, "![%s: ours against theirs](performance/%s.svg)\n\n", name, name)
		}
	}
	updated, err := replace(old, text.Bytes())
	if err != nil {
		return fmt.Errorf("%s: %w", doc, err)
	}
	return os.WriteFile(doc, updated, 0o644)
}

// replace puts text between the marks.
func replace(doc, text []byte) ([]byte, error) {
	before, rest, begins := bytes.Cut(doc, []byte(beginMark))
	_, after, ends := bytes.Cut(rest, []byte(endMark))
	if !begins || !ends {
		return nil, errNoMarks
	}
	return bytes.Join([][]byte{before, []byte(beginMark), []byte("\n"), text, []byte(endMark), after}, nil), nil
}

// bySuite keeps the order.
func bySuite(lines []result.Line) [][]result.Line {
	var suites [][]result.Line
	for _, l := range lines {
		if n := len(suites); n == 0 || suites[n-1][0].Suite != l.Suite {
			suites = append(suites, nil)
		}
		suites[len(suites)-1] = append(suites[len(suites)-1], l)
	}
	return suites
}
