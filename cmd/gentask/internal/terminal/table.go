package terminal

import (
	"strings"
	"unicode/utf8"
)

// Cell is one field of a table.
type Cell struct {
	Text   string
	Colour Colour
}

// Plain returns cells without colours.
func Plain(texts ...string) []Cell {
	cells := make([]Cell, len(texts))
	for i, text := range texts {
		cells[i].Text = text
	}
	return cells
}

// window is how many rows of a table are kept to find out how wide its columns are.
const window = 200

// gap separates columns on a terminal.
const gap = 2

// Table writes rows. On a terminal its columns are aligned below their names, numbers to the right,
// and the last column is cut at the right edge. Elsewhere there are no names, and a tab separates
// the columns. Use [Screen.Table] to make one, and close it.
type Table struct {
	screen *Screen
	names  []string
	rows   [][]Cell
	widths []int
	left   []bool // columns with something else than numbers
	begun  bool
}

// Table returns a table with columns of these names.
func (s *Screen) Table(names ...string) *Table {
	t := &Table{screen: s, names: names, widths: make([]int, len(names)), left: make([]bool, len(names))}
	for i, name := range names {
		t.widths[i] = utf8.RuneCountInString(name)
	}
	return t
}

// Row adds a row with a cell for each column. Its texts are made harmless by [Text].
func (t *Table) Row(cells ...Cell) {
	for i := range cells {
		cells[i].Text = Text(cells[i].Text)
	}
	if !t.screen.terminal {
		texts := make([]string, len(cells))
		for i, c := range cells {
			texts[i] = c.Text
		}
		t.screen.write(strings.Join(texts, "\t") + "\n")
		return
	}
	for i, c := range cells {
		t.widths[i] = max(t.widths[i], utf8.RuneCountInString(c.Text))
		t.left[i] = t.left[i] || !isNumber(c.Text)
	}
	if t.rows = append(t.rows, cells); len(t.rows) == window {
		t.flush()
	}
}

// Close writes the rest.
func (t *Table) Close() { t.flush() }

func (t *Table) flush() {
	if len(t.rows) == 0 {
		return
	}
	if !t.begun {
		t.begun = true
		head := Plain(t.names...)
		for i := range head {
			head[i].Colour = Title
		}
		t.line(head)
	}
	for _, row := range t.rows {
		t.line(row)
	}
	t.rows = nil
}

// line writes a row on a terminal.
func (t *Table) line(cells []Cell) {
	var b strings.Builder
	at, edge := 0, t.screen.width()
	for i, c := range cells {
		last := i == len(cells)-1
		if last && t.left[i] {
			c.Text = Cut(c.Text, max(edge-at, 10))
		}
		space := strings.Repeat(" ", max(t.widths[i]-utf8.RuneCountInString(c.Text), 0))
		if !t.left[i] {
			b.WriteString(space)
		}
		b.WriteString(t.screen.Paint(c.Colour, c.Text))
		if !last {
			if t.left[i] {
				b.WriteString(space)
			}
			b.WriteString(strings.Repeat(" ", gap))
		}
		at += t.widths[i] + gap
	}
	t.screen.write(b.String() + "\n")
}

// isNumber reports whether a cell should end at the right of its column.
func isNumber(text string) bool {
	return strings.Trim(text, "0123456789.,-%") == ""
}
