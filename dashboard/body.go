package dashboard

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"unicode/utf8"
)

// body is a payload as a page shows it.
type body struct {
	Text string
	Form string // "JSON", "text", "binary" or "empty"
	Size int    // of the payload, in bytes
	Cut  int    // bytes of it that are not shown
}

const (
	// mostBody is how much of a payload is shown, and mostBinary of a binary one, which takes five
	// times its size.
	mostBody   = 1 << 20
	mostBinary = 16 << 10

	// mostNesting is the deepest JSON that is indented. Each level costs its indentation.
	mostNesting = 64
)

func bodyOf(b []byte) body {
	switch {
	case len(b) == 0:
		return body{Form: "empty"}
	case !isText(b):
		shown := b[:min(len(b), mostBinary)]
		return body{Text: hex.Dump(shown), Form: "binary", Size: len(b), Cut: len(b) - len(shown)}
	case len(b) > mostBody:
		shown := bytes.ToValidUTF8(b[:mostBody], nil)
		return body{Text: string(shown), Form: "text", Size: len(b), Cut: len(b) - len(shown)}
	}
	if text, ok := indented(b); ok {
		return body{Text: text, Form: "JSON", Size: len(b)}
	}
	return body{Text: string(b), Form: "text", Size: len(b)}
}

// isText reports whether b is UTF-8 without control characters that text does not have.
func isText(b []byte) bool {
	odd := func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' && r != '\r' }
	return utf8.Valid(b) && bytes.IndexFunc(b, odd) < 0
}

// indented returns JSON with a line for each value. It returns false for what is no JSON, or nested
// too deeply.
func indented(b []byte) (string, bool) {
	if !json.Valid(b) || nesting(b) > mostNesting {
		return "", false
	}
	var out bytes.Buffer
	if json.Indent(&out, b, "", "  ") != nil || out.Len() > 4*mostBody {
		return "", false
	}
	return out.String(), true
}

// nesting returns how deeply valid JSON is nested.
func nesting(b []byte) int {
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}', c == ']':
			depth--
		}
	}
	return deepest
}
