package charset_test

import (
	"encoding/binary"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/internal/charset"
)

// TestUTF16ComesBack: any text survives UTF-16 in both orders, with a mark and without.
func TestUTF16ComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Filter(func(s string) bool { return utf8.ValidString(s) && s != "" && s[0] < 0x80 }).Draw(t, "text")
		for mark, order := range map[string]binary.ByteOrder{
			"\xff\xfe": binary.LittleEndian, "\xfe\xff": binary.BigEndian,
		} {
			var wide []byte
			for _, u := range utf16.Encode([]rune(text)) {
				b := make([]byte, 2)
				order.PutUint16(b, u)
				wide = append(wide, b...)
			}
			require.Equal(t, text, string(charset.UTF16(wide, order)))
			wide = append([]byte(mark), wide...)
			require.Equal(t, text, string(charset.UTF8(wide)))
			require.Equal(t, text, string(charset.UTF16(wide, binary.BigEndian)))
		}
		require.Equal(t, text, string(charset.UTF8([]byte(text))))
		require.Equal(t, text, string(charset.UTF8([]byte("\xef\xbb\xbf"+text))))
	})
}

func TestHalfAUnitIsReplaced(t *testing.T) {
	require.Equal(t, "a\ufffd", string(charset.UTF8([]byte("\xff\xfea\x00b"))))
	require.Empty(t, charset.UTF8([]byte("\xfe\xff")))
	require.Equal(t, "ü", string(charset.Latin1([]byte("\xfc"))))
}
