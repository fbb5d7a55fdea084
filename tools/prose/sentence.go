package main

import (
	"regexp"
	"strings"
)

// paragraph is a piece of prose: of a comment, a list item, a cell of a table.
type paragraph struct {
	line int // of its first line
	text string
}

// sentence is one sentence of a paragraph.
type sentence struct {
	line int
	text string
}

var (
	// A sentence ends with a full stop, a question mark or an exclamation mark, and perhaps a
	// closing bracket, quotation mark or asterisk.
	end          = regexp.MustCompile(`[.?!]["')*]*\s+`)
	abbreviation = regexp.MustCompile(`(\.\.|\b(e\.g|i\.e|etc|vs|cf|No))\.\s+$`)
	// Names and quotations count as one word, and no rule applies within them.
	quoted = regexp.MustCompile("`[^`]*`" + `|"[^"\n]*"|\]\([^)\s]*\)`)
)

// sentences splits p. Quotations become one word.
func sentences(p paragraph) []sentence {
	text := quoted.ReplaceAllStringFunc(p.text, func(q string) string {
		return "Q" + strings.Repeat("\n", strings.Count(q, "\n"))
	})
	var all []sentence
	line, from := p.line, 0
	add := func(to int) {
		part := text[from:to]
		at := line + strings.Count(part[:len(part)-len(strings.TrimLeft(part, " \n\t"))], "\n")
		if words := strings.Join(strings.Fields(part), " "); words != "" {
			all = append(all, sentence{line: at, text: words})
		}
		line += strings.Count(part, "\n")
		from = to
	}
	for _, at := range end.FindAllStringIndex(text, -1) {
		if !abbreviation.MatchString(text[:at[1]]) {
			add(at[1])
		}
	}
	add(len(text))
	return all
}
