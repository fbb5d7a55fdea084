// Package terminal shows texts of strangers on a terminal. A message's id, a reason or an error may
// hold escape sequences that clear the screen, rename the window or type into the shell, and
// characters that reverse what follows.
package terminal

import (
	"strconv"
	"strings"
	"unicode"
)

// Text returns text on one line, with all that is not printable escaped as in Go.
func Text(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
	}
	return b.String()
}

// Lines returns text with all that is not printable escaped, except the ends of its lines and the
// tabs before them. Each line but the first follows the indent.
func Lines(text, indent string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		begin := len(line) - len(strings.TrimLeft(line, "\t"))
		lines[i] = line[:begin] + Text(line[begin:])
	}
	return strings.Join(lines, "\n"+indent)
}
