package fleet

import (
	"strings"
	"unicode/utf8"
)

// clip returns text, cut to n bytes at the end of a letter.
func clip(text string, n int) string {
	if len(text) <= n {
		return strings.ToValidUTF8(text, "�")
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return strings.ToValidUTF8(text[:n], "�")
}
