package main

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// width is the most columns of a line of prose.
const width = 100

var (
	item  = regexp.MustCompile(`^\s*([-*+]|\d+[.)])\s+`)
	other = regexp.MustCompile(`^\s*(\||#|<!--|!\[|>|---|\[[^\]]+\]: )`) // anything but prose
	// A line that began with one of these would be a list item or a heading.
	marker = regexp.MustCompile(`^([-*+#>|]+|\d+[.)])$`)
)

// wrapped returns the lines of a Markdown file with each paragraph wrapped that has a line beyond
// width. Code, tables, headings, images and link definitions stay as they are.
func wrapped(lines []string) []string {
	var out, block []string
	flush := func() {
		out = append(out, wrapBlock(block)...)
		block = nil
	}
	code := false
	for _, line := range lines {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence || code || strings.TrimSpace(line) == "" || other.MatchString(line):
			flush()
			out = append(out, line)
		case item.MatchString(line):
			flush()
			block = []string{line}
		default:
			block = append(block, line)
		}
		code = code != fence
	}
	flush()
	return out
}

// wrapBlock returns one paragraph or list item, wrapped if it has a line beyond width.
func wrapBlock(block []string) []string {
	long := false
	for _, line := range block {
		long = long || utf8.RuneCountInString(line) > width
	}
	if !long {
		return block
	}
	first := item.FindString(block[0])
	if first == "" {
		first = block[0][:len(block[0])-len(strings.TrimLeft(block[0], " "))]
	}
	indent := strings.Repeat(" ", len(first))
	var out []string
	line := first
	for _, word := range words(strings.TrimPrefix(strings.Join(block, " "), first)) {
		switch {
		case strings.TrimSpace(line) == "" || line == first:
			line += word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width || marker.MatchString(word):
			line += " " + word
		default:
			out = append(out, line)
			line = indent + word
		}
	}
	return append(out, line)
}

// words splits text at spaces, but not within a code span.
func words(text string) []string {
	var out []string
	word, code := "", false
	for field := range strings.FieldsSeq(text) {
		if code {
			word += " "
		}
		word += field
		code = code != (strings.Count(field, "`")%2 == 1)
		if !code {
			out = append(out, word)
			word = ""
		}
	}
	if word != "" {
		out = append(out, word)
	}
	return out
}
