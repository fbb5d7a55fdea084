package terminal

import "github.com/gentask/gentask/internal/terminal"

// Text returns text on one line, with all that is not printable escaped as in Go.
func Text(text string) string { return terminal.Text(text) }

// Lines returns text with all that is not printable escaped, except the ends of its lines and the
// tabs before them. Each line but the first follows the indent.
func Lines(text, indent string) string { return terminal.Lines(text, indent) }

// Cut returns the first most characters of text, the last one of them an ellipsis if something was
// left out. It returns nothing if most is less than one.
func Cut(text string, most int) string {
	if most < 1 {
		return ""
	}
	runes := 0
	for at := range text {
		if runes++; runes > most {
			return string([]rune(text[:at])[:most-1]) + "…"
		}
	}
	return text
}
