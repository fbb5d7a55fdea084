// Package charset turns text of other programs into UTF-8.
package charset

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// Byte order marks: of UTF-8, and of UTF-16 in both orders.
const (
	mark   = "\xef\xbb\xbf"
	little = "\xff\xfe"
	big    = "\xfe\xff"
	unit   = 2 // bytes of a unit of UTF-16
)

// UTF8 returns text as UTF-8, without its byte order mark. Text with the mark of UTF-16 is
// converted. Any other is returned as it is.
func UTF8(text []byte) []byte {
	switch {
	case bytes.HasPrefix(text, []byte(mark)):
		return text[len(mark):]
	case bytes.HasPrefix(text, []byte(little)):
		return from16(text[len(little):], binary.LittleEndian)
	case bytes.HasPrefix(text, []byte(big)):
		return from16(text[len(big):], binary.BigEndian)
	}
	return text
}

// UTF16 returns text in UTF-16 as UTF-8. A byte order mark counts more than order.
func UTF16(text []byte, order binary.ByteOrder) []byte {
	if bytes.HasPrefix(text, []byte(little)) || bytes.HasPrefix(text, []byte(big)) {
		return UTF8(text)
	}
	return from16(text, order)
}

// from16 converts UTF-16 without a mark. Half a unit at the end becomes the replacement character.
func from16(text []byte, order binary.ByteOrder) []byte {
	units := make([]uint16, 0, len(text)/unit+1)
	for ; len(text) >= unit; text = text[unit:] {
		units = append(units, order.Uint16(text))
	}
	if len(text) > 0 {
		units = append(units, utf8.RuneError)
	}
	plain := make([]byte, 0, len(units))
	for _, r := range utf16.Decode(units) {
		plain = utf8.AppendRune(plain, r)
	}
	return plain
}

// Latin1 returns text in ISO-8859-1 as UTF-8.
func Latin1(text []byte) []byte {
	plain := make([]byte, 0, len(text))
	for _, b := range text {
		plain = utf8.AppendRune(plain, rune(b))
	}
	return plain
}
