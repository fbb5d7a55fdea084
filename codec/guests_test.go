package codec_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/codec"
	"github.com/gentask/gentask/queue"
)

// squeezed returns text as the writer compresses it.
func squeezed(t testing.TB, text string, open func(w io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var b bytes.Buffer
	w := open(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func byGzip(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
func byZlib(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }
func byFlate(w io.Writer) io.WriteCloser {
	z, err := flate.NewWriter(w, flate.DefaultCompression)
	if err != nil {
		panic(err)
	}
	return z
}

// bzipped is {"Text":"hello"}, as bzip2 writes it.
const bzipped = "QlpoOTFBWSZTWSQ+LkgAAAcbgBAAABAEAAJEhEogACIAYggGmmgKjbDZBZT1+LuSKcKEgSHxckA="

// TestCompressionsOfOtherPrograms: the name may be in any case, and under Celery's own header,
// whose gzip is zlib.
func TestCompressionsOfOtherPrograms(t *testing.T) {
	const text = `{"Text":"hello"}`
	bz, err := base64.StdEncoding.DecodeString(bzipped)
	require.NoError(t, err)
	s := newSet(t, codec.Config{})
	for _, tc := range []struct {
		header, value string
		body          []byte
	}{
		{"content-encoding", "gzip", squeezed(t, text, byGzip)},
		{"Content-Encoding", "GZIP", squeezed(t, text, byGzip)},
		{"content-encoding", "x-gzip", squeezed(t, text, byGzip)},
		{"content-encoding", "deflate", squeezed(t, text, byZlib)},
		{"content-encoding", "deflate", squeezed(t, text, byFlate)},
		{"content-encoding", " zlib ", squeezed(t, text, byZlib)},
		{"CONTENT-ENCODING", "bzip2", bz},
		{"compression", "application/x-gzip", squeezed(t, text, byZlib)},
		{"compression", "application/x-bz2", bz},
		{"compression", "none", []byte(text)},
		{"content-encoding", "utf-8", []byte(text)},
		{"Content-Encoding", "UTF-8", []byte(text)},
		{"content-encoding", "binary", []byte(text)},
		{"content-encoding", "", []byte(text)},
	} {
		var got order
		err := s.Decode(&queue.Message{Body: tc.body, Headers: map[string]string{tc.header: tc.value}}, &got)
		require.NoError(t, err, "%s: %s", tc.header, tc.value)
		require.Equal(t, order{"hello"}, got, "%s: %s", tc.header, tc.value)
	}
	for header, value := range map[string]string{"content-encoding": "br", "compression": "application/x-brotli"} {
		err := s.Decode(&queue.Message{Body: []byte(text), Headers: map[string]string{header: value}}, &order{})
		require.ErrorIs(t, err, queue.ErrUnknown)
		require.ErrorContains(t, err, strconv.Quote(value))
	}
}

// TestOtherCompressionsAreBounded: a small body can't fill the memory, and a broken one is an
// error.
func TestOtherCompressionsAreBounded(t *testing.T) {
	s := newSet(t, codec.Config{MaxBytes: 1000})
	bomb := strings.Repeat(" ", 1<<20)
	for name, body := range map[string][]byte{
		"gzip": squeezed(t, bomb, byGzip), "deflate": squeezed(t, bomb, byZlib), "zlib": squeezed(t, bomb, byFlate),
	} {
		headers := map[string]string{"content-encoding": name}
		err := s.Decode(&queue.Message{Body: body, Headers: headers}, &order{})
		require.ErrorIs(t, err, codec.ErrTooLarge)
		err = s.Decode(&queue.Message{Body: body[:len(body)/2], Headers: headers}, &order{})
		require.Error(t, err)
		require.NotErrorIs(t, err, queue.ErrUnknown)
	}
}

// TestTextOfOtherPrograms: text/plain is JSON for most types, and text for a string; a charset in
// the content type, or the mark of UTF-16, is heeded.
func TestTextOfOtherPrograms(t *testing.T) {
	const utf16L, utf16B = "{\x00\"\x00T\x00e\x00x\x00t\x00\"\x00:\x00\"\x00\xfc\x00\"\x00}\x00",
		"\x00{\x00\"\x00T\x00e\x00x\x00t\x00\"\x00:\x00\"\x00\xfc\x00\"\x00}"
	s := newSet(t, codec.Config{})
	for _, tc := range []struct{ contentType, body string }{
		{"text/plain", `{"Text":"ü"}`},
		{"text/plain; charset=UTF-8", `{"Text":"ü"}`},
		{"text/json", `{"Text":"ü"}`},
		{"application/json; charset=utf-8", "\xef\xbb\xbf" + `{"Text":"ü"}`},
		{`Application/JSON; Charset="ISO-8859-1"`, "{\"Text\":\"\xfc\"}"},
		{"application/problem+json; charset=latin1", "{\"Text\":\"\xfc\"}"},
		{"application/json; charset=utf-16le", utf16L},
		{"application/json; charset=utf-16be", utf16B},
		{"application/json; charset=utf-16", utf16B},
		{"application/json; charset=utf-16", "\xff\xfe" + utf16L},
		{"application/json", "\xff\xfe" + utf16L},
		{"", "\xfe\xff" + utf16B},
	} {
		var got order
		require.NoError(t, s.Decode(&queue.Message{ContentType: tc.contentType, Body: []byte(tc.body)}, &got), tc)
		require.Equal(t, order{"ü"}, got, tc)
	}
	var text string
	require.NoError(t, s.Decode(&queue.Message{ContentType: "text/plain; charset=latin1", Body: []byte("Z\xfcrich")}, &text))
	require.Equal(t, "Zürich", text)
	var raw []byte
	require.NoError(t, s.Decode(&queue.Message{ContentType: "text/plain; charset=koi8-r", Body: []byte("\xff")}, &raw))
	require.Equal(t, []byte("\xff"), raw)
	err := s.Decode(&queue.Message{ContentType: "application/json; charset=koi8-r", Body: []byte(`{}`)}, &order{})
	require.ErrorIs(t, err, queue.ErrUnknown)
	require.ErrorContains(t, err, `charset "koi8-r" is unknown`)
	err = s.Decode(&queue.Message{ContentType: "text/html", Body: []byte(`{}`)}, &order{})
	require.ErrorIs(t, err, queue.ErrUnknown)
	own := newSet(t, codec.Config{Codecs: []codec.Codec{codec.Raw("text/plain")}, Untyped: "text/plain"})
	require.Error(t, own.Decode(&queue.Message{ContentType: "text/plain", Body: []byte(`{}`)}, &order{}))
}
