package terminal

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
)

// objectOf returns value as JSON on one line. It also escapes characters that encoding/json leaves
// as they are, and on which a terminal would act: control characters above 0x7f, and those that
// reverse text.
func objectOf(value any) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return "", err
	}
	text := strings.TrimSuffix(b.String(), "\n")
	if strings.IndexFunc(text, isHarmful) < 0 {
		return text, nil
	}
	b.Reset()
	for _, r := range text {
		if !isHarmful(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String(), nil
}

// isHarmful reports whether a character of JSON should be escaped. It is part of a string: outside
// of strings JSON has none such.
func isHarmful(r rune) bool { return !unicode.IsPrint(r) }
