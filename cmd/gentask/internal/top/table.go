package top

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
)

// column is a column of a table. The one with the highest drop is left out first, and one with 0
// stays.
type column struct {
	name string
	drop int
	side side
}

// side is where the texts of a column begin or end. The set is closed.
type side bool

const (
	text   side = false // they begin at the left
	digits side = true  // they end at the right
)

type table struct {
	columns []column
	rows    [][]terminal.Cell
}

// gap separates columns, and widest is the most characters of a text before other columns are left
// out for it.
const (
	gap    = 2
	widest = 24
)

// lines returns the head and a line for each row, none longer than width. Texts are made harmless.
func (t *table) lines(width int, paint Paint) []string {
	for _, row := range t.rows {
		for i := range row {
			row[i].Text = terminal.Text(row[i].Text)
		}
	}
	widths := t.fit(width)
	head := make([]terminal.Cell, len(t.columns))
	for i, c := range t.columns {
		head[i] = terminal.Cell{Text: c.name, Colour: terminal.Title}
	}
	lines := []string{t.line(head, widths, paint)}
	for _, row := range t.rows {
		lines = append(lines, t.line(row, widths, paint))
	}
	return lines
}

// fit returns the width of each column, 0 for one that is left out.
func (t *table) fit(width int) []int {
	full := t.wanted()
	widths := slices.Clone(full)
	for i := range widths {
		widths[i] = min(widths[i], widest)
	}
	for total(widths) > width {
		last := 0
		for i, c := range t.columns {
			if widths[i] > 0 && c.drop > t.columns[last].drop {
				last = i
			}
		}
		if last == 0 {
			widths[0] = width
			return widths
		}
		widths[last] = 0
	}
	for i := range widths { // what is left over goes to those that were cut
		if widths[i] > 0 {
			widths[i] += min(full[i]-widths[i], width-total(widths))
		}
	}
	return widths
}

// wanted returns how wide each column would be.
func (t *table) wanted() []int {
	widths := make([]int, len(t.columns))
	for i, c := range t.columns {
		widths[i] = utf8.RuneCountInString(c.name)
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].Text))
		}
	}
	return widths
}

// total returns how wide a line with these columns is.
func total(widths []int) int {
	sum := -gap
	for _, w := range widths {
		if w > 0 {
			sum += w + gap
		}
	}
	return sum
}

// line returns a row with these widths.
func (t *table) line(cells []terminal.Cell, widths []int, paint Paint) string {
	var b strings.Builder
	for i, c := range cells {
		if widths[i] == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(strings.Repeat(" ", gap))
		}
		shown := terminal.Cut(c.Text, widths[i])
		space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(shown))
		if t.columns[i].side == digits {
			b.WriteString(space + paint(c.Colour, shown))
			continue
		}
		b.WriteString(paint(c.Colour, shown) + space)
	}
	return strings.TrimRight(b.String(), " ")
}
