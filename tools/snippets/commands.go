package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	target    = regexp.MustCompile(`(?m)^([a-z0-9-]+)( [a-z0-9 -]+)?:`)
	makes     = regexp.MustCompile(`^make ([^#&|;]*)`)
	directory = regexp.MustCompile(`\bgo (?:-C (\S+) )?(?:run|test|build) (?:-\S+ )*(\./[^\s.]\S*)?`)
	enters    = regexp.MustCompile(`^cd (\S+)$`)
)

// checkCommands returns a mistake for each target of make and each directory of go run, test or
// build that does not exist, in blocks of the language sh.
func checkCommands(root string, blocks []block) ([]mistake, error) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	targets := map[string]bool{}
	for _, match := range target.FindAllSubmatch(makefile, -1) {
		targets[string(match[1])] = true
	}
	var mistakes []mistake
	for _, b := range blocks {
		if b.language != "sh" {
			continue
		}
		dir := "."
		for n, line := range strings.Split(b.text, "\n") {
			if to := enters.FindStringSubmatch(line); to != nil {
				dir = path.Join(dir, to[1])
			}
			for _, text := range check(root, dir, line, targets) {
				mistakes = append(mistakes, mistake{b.file, b.line + n, text})
			}
		}
	}
	return mistakes, nil
}

// check returns what is wrong with one line of commands, which run in the directory dir below root.
func check(root, dir, line string, targets map[string]bool) []string {
	var bad []string
	if match := makes.FindStringSubmatch(line); match != nil {
		for _, word := range strings.Fields(match[1]) {
			if !strings.ContainsAny(word, `="`) && !targets[word] {
				bad = append(bad, fmt.Sprintf("the Makefile has no target %s", word))
			}
		}
	}
	for _, match := range directory.FindAllStringSubmatch(line, -1) {
		to := path.Join(dir, match[1], strings.TrimSuffix(match[2], "/..."))
		if info, err := os.Stat(filepath.Join(root, filepath.FromSlash(to))); err != nil || !info.IsDir() {
			bad = append(bad, fmt.Sprintf("there is no directory %s", to))
		}
	}
	return bad
}
