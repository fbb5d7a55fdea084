package codec

import (
	"bytes"
	"encoding/binary"
	"mime"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// marks are the byte order marks of UTF-8, and of UTF-16 in both orders.
const (
	mark8   = "\xef\xbb\xbf"
	mark16L = "\xff\xfe"
	mark16B = "\xfe\xff"
)

// utf8Of returns text as UTF-8, without a byte order mark. Text without the mark of UTF-16 is UTF-8.
func utf8Of(text []byte) []byte {
	switch {
	case bytes.HasPrefix(text, []byte(mark8)):
		return text[len(mark8):]
	case bytes.HasPrefix(text, []byte(mark16L)):
		return from16(text[len(mark16L):], binary.LittleEndian)
	case bytes.HasPrefix(text, []byte(mark16B)):
		return from16(text[len(mark16B):], binary.BigEndian)
	}
	return text
}

// from16 returns UTF-16 as UTF-8.
func from16(text []byte, order binary.ByteOrder) []byte {
	units := make([]uint16, len(text)/2)
	for i := range units {
		units[i] = order.Uint16(text[2*i:])
	}
	plain := make([]byte, 0, len(text))
	for _, r := range utf16.Decode(units) {
		plain = utf8.AppendRune(plain, r)
	}
	return plain
}

// recode returns a body of JSON as UTF-8, if the parameter charset of its content type says that it
// is something else. It returns an [*UnknownError] for a charset that it does not know, because
// encoding/json would silently replace characters.
func recode(body []byte, contentType string) ([]byte, error) {
	if !strings.Contains(contentType, ";") {
		return body, nil
	}
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return body, nil //nolint:nilerr // a type that is no media type has no charset
	}
	switch strings.ToLower(params["charset"]) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return body, nil
	case "iso-8859-1", "latin1", "latin-1":
		plain := make([]byte, 0, len(body))
		for _, b := range body {
			plain = utf8.AppendRune(plain, rune(b))
		}
		return plain, nil
	case "utf-16le", "utf-16be", "utf-16":
		return from16Of(body, strings.ToLower(params["charset"])), nil
	}
	known := []string{"utf-8", "us-ascii", "iso-8859-1", "utf-16", "utf-16le", "utf-16be"}
	return nil, &UnknownError{What: "charset", Name: params["charset"], Known: known}
}

// from16Of returns UTF-16 as UTF-8, in the order of its mark, or else of the charset's name.
func from16Of(body []byte, charset string) []byte {
	switch {
	case bytes.HasPrefix(body, []byte(mark16L)), bytes.HasPrefix(body, []byte(mark16B)):
		return utf8Of(body)
	case charset == "utf-16le":
		return from16(body, binary.LittleEndian)
	}
	return from16(body, binary.BigEndian) // as RFC 2781 has it
}
