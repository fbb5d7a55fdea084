package supervision

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// String returns the tree as text, one line for each node. IDs and reasons are quoted where they
// could disturb a terminal.
func (n *Node) String() string {
	var b strings.Builder
	n.write(&b, "", "")
	return b.String()
}

// write writes the line of n after first, and the lines below it after rest.
func (n *Node) write(b *strings.Builder, first, rest string) {
	b.WriteString(first)
	n.writeLine(b)
	b.WriteByte('\n')
	for i, c := range n.Children {
		if i == len(n.Children)-1 {
			c.write(b, rest+"└── ", rest+"    ")
		} else {
			c.write(b, rest+"├── ", rest+"│   ")
		}
	}
}

func (n *Node) writeLine(b *strings.Builder) {
	name := n.ID
	if name == "" && n.PID != nil {
		name = n.PID.Id
	}
	fmt.Fprintf(b, "%s (%v): %s", printable(name), n.Type, strings.ToLower(n.State.String()))
	if n.NotAnswering {
		b.WriteString(", not answering")
	}
	if n.StuckCalls > 0 {
		fmt.Fprintf(b, ", %s stuck", counted(n.StuckCalls, "call"))
	}
	if n.Waiting > 0 {
		fmt.Fprintf(b, ", %s waiting", counted(n.Waiting, "message"))
	}
	if n.Restarts > 0 {
		fmt.Fprintf(b, ", %s", counted(n.Restarts, "restart"))
	}
	if n.LastReason != nil {
		fmt.Fprintf(b, ", last: %s", printable(summary(n.LastReason.Error())))
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// maxSummary is the most characters of a reason that the text of a tree shows.
const maxSummary = 200

// summary returns the first line of text, shortened.
func summary(text string) string {
	line, _, more := strings.Cut(text, "\n")
	if runes := []rune(line); len(runes) > maxSummary {
		line, more = string(runes[:maxSummary]), true
	}
	if more {
		line += "..."
	}
	return line
}

// printable returns s, quoted if it holds other than visible characters and blanks.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return strconv.Quote(s)
	}
	return s
}
