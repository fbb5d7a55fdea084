package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	span    = regexp.MustCompile("`[^`]*`")
	heading = regexp.MustCompile(`^#+\s+(.*)$`)
	scheme  = regexp.MustCompile(`^[a-z]+:`)
	linked  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	unsaid  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// badLinks returns a line for each relative link of file, a Markdown file, that leads nowhere.
func badLinks(file string) ([]string, error) {
	lines, err := read(file)
	if err != nil {
		return nil, err
	}
	var bad []string
	for n, line := range prose(lines) {
		for _, match := range link.FindAllStringSubmatch(span.ReplaceAllString(line, ""), -1) {
			if target := match[1]; !scheme.MatchString(target) && !leads(file, target) {
				bad = append(bad, fmt.Sprintf("%s:%d: %s leads nowhere", file, n+1, target))
			}
		}
	}
	return bad, nil
}

// leads reports whether target, as file links to it, is a file or a directory, and its anchor a
// heading.
func leads(file, target string) bool {
	path, anchor, _ := strings.Cut(target, "#")
	to := file
	if path != "" {
		to = filepath.Join(filepath.Dir(file), path)
	}
	if _, err := os.Stat(to); err != nil || anchor == "" {
		return err == nil
	}
	lines, err := read(to)
	if err != nil {
		return false
	}
	return anchors(lines)[anchor]
}

// anchors returns the anchors that GitHub makes of the headings.
func anchors(lines []string) map[string]bool {
	found := map[string]bool{}
	for _, line := range prose(lines) {
		match := heading.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		text := linked.ReplaceAllString(match[1], "$1")
		slug := strings.ReplaceAll(unsaid.ReplaceAllString(strings.ToLower(text), ""), " ", "-")
		name := slug
		for n := 1; found[name]; n++ {
			name = fmt.Sprintf("%s-%d", slug, n)
		}
		found[name] = true
	}
	return found
}

// prose returns the lines with those of code blocks empty.
func prose(lines []string) []string {
	out := make([]string, len(lines))
	code := false
	for n, line := range lines {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		if !fence && !code {
			out[n] = line
		}
		code = code != fence
	}
	return out
}

func read(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	return strings.Split(string(text), "\n"), err
}
