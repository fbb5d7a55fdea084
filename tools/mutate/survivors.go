package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
)

// argued maps the key of a survivor to the reason why it may live.
type argued map[string]string

// readArgued reads a list of survivors. Keys start their lines; an indented line is the reason of
// the keys before it.
func readArgued(path string) (argued, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	a := argued{}
	var open []string // keys without a reason
	for i, line := range strings.Split(string(text), "\n") {
		reason := strings.TrimSpace(line)
		switch {
		case reason == "" || strings.HasPrefix(line, "#"):
		case line[0] != '\t' && line[0] != ' ':
			if _, twice := a[line]; twice {
				return nil, fmt.Errorf("%s:%d: twice: %s", path, i+1, line)
			}
			a[line] = ""
			open = append(open, line)
		case len(open) == 0:
			return nil, fmt.Errorf("%s:%d: a reason without a mutant", path, i+1)
		default:
			for _, key := range open {
				a[key] = reason
			}
			open = nil
		}
	}
	if len(open) > 0 {
		return nil, fmt.Errorf("%s: no reason for: %s", path, open[0])
	}
	return a, nil
}

// check returns an error for each key that no mutant has.
func (a argued) check(mutants []*mutant) error {
	known := map[string]bool{}
	for _, m := range mutants {
		known[m.key] = true
	}
	var errs []error
	for key := range a {
		if !known[key] {
			errs = append(errs, fmt.Errorf("survivors.txt lists a mutant that is not in the code: %s", key))
		}
	}
	return errors.Join(errs...)
}

// readLines returns the lines of a file without comments, which start with #.
func readLines(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var lines []string
	s := bufio.NewScanner(f)
	for s.Scan() {
		line, _, _ := strings.Cut(s.Text(), "#")
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, s.Err()
}
