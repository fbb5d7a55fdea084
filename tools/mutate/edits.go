package main

import (
	"cmp"
	"slices"
	"strings"
)

// edits are changes of a text. Each replaces a part, and the parts are nested or apart.
type edits []edit

// edit replaces the text from start to end by what wrap makes of it. wrap gets the text with the
// edits inside applied.
type edit struct {
	start, end int
	wrap       func(inner string) string
}

func (e *edits) add(start, end int, wrap func(string) string) {
	*e = append(*e, edit{start, end, wrap})
}

// apply returns the text with all edits. Of two for the same part the later one is inside.
func (e edits) apply(text string) string { return e.part(text, 0, len(text)) }

// part returns the text from start to end with the edits that are inside.
func (e edits) part(text string, start, end int) string {
	inside := edits{}
	for _, one := range e {
		if one.start >= start && one.end <= end {
			inside = append(inside, one)
		}
	}
	slices.SortStableFunc(inside, func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end))
	})
	var out strings.Builder
	inside.write(&out, text, start, end)
	return out.String()
}

// write writes the text from start to end. The edits are sorted: the outer one comes first.
func (e edits) write(out *strings.Builder, text string, start, end int) {
	for len(e) > 0 {
		outer := e[0]
		n := 1
		for n < len(e) && e[n].start < outer.end {
			n++
		}
		out.WriteString(text[start:outer.start])
		var inner strings.Builder
		e[1:n].write(&inner, text, outer.start, outer.end)
		out.WriteString(outer.wrap(inner.String()))
		start, e = outer.end, e[n:]
	}
	out.WriteString(text[start:end])
}
