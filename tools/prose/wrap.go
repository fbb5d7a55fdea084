package main

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// width is the most columns of a line of a comment, with tabs of tabWidth.
const (
	width    = 100
	tabWidth = 4
)

// comment is a line that has nothing but a comment of prose. Indented text is code or a list.
var comment = regexp.MustCompile(`^(\t*)// ([^\s#].*)$`)

// output is the first line of what an example must print.
var output = regexp.MustCompile(`^\t*// (Unordered output|Output):`)

// columns returns the number of columns of a line.
func columns(line string) int {
	return utf8.RuneCountInString(line) + strings.Count(line, "\t")*(tabWidth-1)
}

// tooWide reports whether line is a comment of prose beyond the width that can be wrapped.
func tooWide(line string) bool {
	return comment.MatchString(line) && columns(line) > width &&
		!strings.Contains(line, "://") && strings.Contains(comment.FindStringSubmatch(line)[2], " ")
}

// wrapped returns the lines of a Go file with each paragraph of a comment wrapped that has a line
// beyond the width.
func wrapped(lines []string) []string {
	var out, block []string
	indent := ""
	flush := func() {
		out = append(out, wrapBlock(indent, block)...)
		block = nil
	}
	for _, line := range lines {
		match := comment.FindStringSubmatch(line)
		switch {
		case match == nil || directive.MatchString(strings.TrimSpace(line)):
			flush()
			out = append(out, line)
		default:
			if match[1] != indent {
				flush()
			}
			indent, block = match[1], append(block, line)
		}
	}
	flush()
	return out
}

// wrapBlock returns the lines of one paragraph, wrapped if one of them is too wide.
func wrapBlock(indent string, block []string) []string {
	wide := false
	var words []string
	for _, line := range block {
		if output.MatchString(line) {
			return block
		}
		wide = wide || tooWide(line)
		words = append(words, strings.Fields(comment.FindStringSubmatch(line)[2])...)
	}
	if !wide {
		return block
	}
	var out []string
	line := indent + "//"
	for _, word := range words {
		if next := line + " " + word; line == indent+"//" || columns(next) <= width {
			line = next
			continue
		}
		out = append(out, line)
		line = indent + "// " + word
	}
	return append(out, line)
}
