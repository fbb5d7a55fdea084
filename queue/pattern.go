package queue

import "strings"

// maxPattern is about the most bytes of a pattern.
const maxPattern = 160

// ReasonPattern returns the first line of a reason with each number, and each quotation, in a
// common form, and cut to about 160 bytes. Letters whose reasons have the same pattern have died
// alike, as those with the same [Fingerprint] have.
func ReasonPattern(reason string) string {
	line, _, _ := strings.Cut(reason, "\n")
	var b strings.Builder
	quote, number := rune(0), false
	for _, c := range line {
		digit := '0' <= c && c <= '9'
		switch {
		case b.Len() >= maxPattern:
			return b.String() + "…"
		case quote != 0 && c != quote, digit && number: // left out
		case quote != 0:
			b.WriteRune(c)
			quote = 0
		case c == '"', c == '`':
			b.WriteString(string(c) + "…")
			quote = c
		case digit:
			b.WriteByte('#')
		default:
			b.WriteRune(c)
		}
		number = digit
	}
	return b.String()
}
