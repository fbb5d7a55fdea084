package dashboard

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// visible returns a page in which every character that could mislead the reader is a visible text.
// These are control characters, and those that change the direction of text or have no width. Bytes
// that are not UTF-8 become the replacement character. The templates have none of these, so all of
// them come from jobs, letters and operators.
func visible(page []byte) []byte {
	out := make([]byte, 0, len(page))
	for i := 0; i < len(page); {
		c := page[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(page[i:])
			out = appendVisible(out, r)
			i += n
			continue
		}
		switch {
		case c >= ' ' && c != 0x7f, c == '\n', c == '\t':
			out = append(out, c)
		case c == '\r':
			out = utf8.AppendRune(out, '␍')
		case c == 0x7f:
			out = utf8.AppendRune(out, '␡')
		default:
			out = utf8.AppendRune(out, '␀'+rune(c))
		}
		i++
	}
	return out
}

func appendVisible(out []byte, r rune) []byte {
	const joiner, nonJoiner = '\u200d', '\u200c' // parts of emoji, and of some languages
	if r != joiner && r != nonJoiner && (unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Cc, r)) ||
		r == '\u2028' || r == '\u2029' {
		return fmt.Appendf(out, "[%U]", r)
	}
	return utf8.AppendRune(out, r)
}
