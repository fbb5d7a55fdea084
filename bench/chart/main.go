// Command chart puts the results of `go run . -json`, which it reads from the standard input, into
// the documentation. Each suite gets a table between the two marks, and a chart next to it: bars,
// or curves of what was watched over time. The results of other suites stay as they are.
//
//	go run . -suite all -json | go run ./chart
//	go run . -suite soak -json | go run ./chart
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

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
	var parts []section
	for _, suite := range bySuite(lines) {
		part, err := written(dir, suite)
		if err != nil {
			return err
		}
		parts = append(parts, part)
	}
	updated, err := replace(old, parts)
	if err != nil {
		return fmt.Errorf("%s: %w", doc, err)
	}
	return os.WriteFile(doc, updated, 0o644)
}

// section is what stands in the document for one suite.
type section struct {
	suite string
	text  []byte
}

// written draws the chart of a suite, and returns its section.
func written(dir string, lines []result.Line) (section, error) {
	suite := lines[0].Suite
	var text bytes.Buffer
	writeTable(&text, suite, lines)
	svg, what := curves(lines), "over time"
	if svg == "" {
		svg, what = bars(lines), "ours against theirs"
	}
	if svg == "" {
		return section{suite, text.Bytes()}, nil
	}
	fmt.Fprintf(&text, "![%s: %s](performance/%s.svg)\n\n", suite, what, suite)
	return section{suite, text.Bytes()}, os.WriteFile(filepath.Join(dir, suite+".svg"), []byte(svg), 0o644)
}

// replace puts the parts between the marks, each where its suite was before, or at the end.
func replace(doc []byte, parts []section) ([]byte, error) {
	before, rest, begins := bytes.Cut(doc, []byte(beginMark))
	old, after, ends := bytes.Cut(rest, []byte(endMark))
	if !begins || !ends {
		return nil, errNoMarks
	}
	all := sections(old)
	for _, part := range parts {
		i := slices.IndexFunc(all, func(s section) bool { return s.suite == part.suite })
		if i < 0 {
			i = len(all)
			all = append(all, section{})
		}
		all[i] = part
	}
	out := [][]byte{before, []byte(beginMark), []byte("\n")}
	for _, s := range all {
		out = append(out, s.text)
	}
	return bytes.Join(append(out, []byte(endMark), after), nil), nil
}

// sections are what stands there already, by its headings.
func sections(text []byte) []section {
	var all []section
	for line := range bytes.Lines(text) {
		if suite, is := bytes.CutPrefix(line, []byte("### ")); is {
			all = append(all, section{suite: string(bytes.TrimSpace(suite))})
		}
		if n := len(all); n > 0 {
			all[n-1].text = append(all[n-1].text, line...)
		}
	}
	return all
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
