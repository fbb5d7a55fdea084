package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// countFragments compares the numbers of fragments with a list: for each document that has some, a
// line with its name and their number. Comments of the list start with #.
func countFragments(blocks []block, list string) ([]mistake, error) {
	want := map[string]int{}
	if list != "" {
		text, err := os.ReadFile(list)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			line, _, _ = strings.Cut(line, "#")
			var file string
			var n int
			if strings.TrimSpace(line) == "" {
				continue
			}
			if _, err := fmt.Sscan(line, &file, &n); err != nil {
				return nil, fmt.Errorf("%s: a line is a file and a number, not %q: %w", list, line, err)
			}
			want[file] = n
		}
	}
	found := map[string]int{}
	for _, b := range blocks {
		if len(b.of("fragment")) > 0 {
			found[b.file]++
			want[b.file] += 0
		}
	}
	var mistakes []mistake
	for _, file := range slices.Sorted(maps.Keys(want)) {
		if found[file] != want[file] {
			text := fmt.Sprintf("%d fragments, and %d in the list of fragments: change the list, with a reason", found[file], want[file])
			mistakes = append(mistakes, mistake{file, 1, text})
		}
	}
	return mistakes, nil
}
