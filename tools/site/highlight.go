package main

import (
	"cmp"
	"fmt"
	"go/scanner"
	"go/token"
	"html"
	"slices"
	"strings"
)

// mark is a range of code, and the element around it.
type mark struct {
	from, to   int
	start, end string
}

// highlight returns Go code as HTML, with elements around comments, keywords and strings, and
// around other ranges. Ranges must not overlap. Code that is no Go may be shown without elements.
func highlight(code string, marks ...mark) string {
	set := token.NewFileSet()
	file := set.AddFile("", set.Base(), len(code))
	var s scanner.Scanner
	s.Init(file, []byte(code), func(token.Position, string) {}, scanner.ScanComments)
	for pos, tok, text := s.Scan(); tok != token.EOF; pos, tok, text = s.Scan() {
		var class string
		switch {
		case tok == token.COMMENT:
			class = "comment"
		case tok == token.STRING || tok == token.CHAR:
			class = "string"
		case tok.IsKeyword():
			class = "keyword"
		default:
			continue
		}
		from := file.Offset(pos)
		marks = append(marks, mark{from, from + len(text), `<span class="` + class + `">`, "</span>"})
	}
	slices.SortFunc(marks, func(a, b mark) int { return cmp.Compare(a.from, b.from) })
	var out strings.Builder
	at := 0
	for _, m := range marks {
		text := html.EscapeString(code[m.from:m.to])
		// An element ends with its line, so that lines can be elements.
		text = strings.ReplaceAll(text, "\n", m.end+"\n"+m.start)
		fmt.Fprint(&out, html.EscapeString(code[at:m.from]), m.start, text, m.end)
		at = m.to
	}
	return out.String() + html.EscapeString(code[at:])
}
