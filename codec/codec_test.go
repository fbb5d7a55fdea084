package codec_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/codec"
	"github.com/gentask/gentask/gentasktest"
	"github.com/gentask/gentask/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type order struct{ Text string }

func newSet(t testing.TB, cfg codec.Config) *codec.Set {
	t.Helper()
	s, err := codec.New(cfg)
	require.NoError(t, err)
	return s
}

// TestRoundTrip: Decode turns the message that Encode has made back into the value, with every
// codec and compression.
func TestRoundTrip(t *testing.T) {
	long := strings.Repeat("to be or not to be ", 1000)
	for _, compression := range []codec.Compression{codec.None, codec.Gzip, codec.Zstd} {
		t.Run(compression.String(), func(t *testing.T) {
			s := newSet(t, codec.Config{Compression: compression})
			for _, text := range []string{"", "short", long} {
				roundTrip(t, s, order{text}, "application/json")
				roundTrip(t, s, &order{text}, "application/json")
				roundTrip(t, s, text, "application/octet-stream")
				roundTrip(t, s, append([]byte{}, text...), "application/octet-stream")
				msg, err := s.Encode(wrapperspb.String(text))
				require.NoError(t, err)
				require.Equal(t, "application/protobuf", msg.ContentType)
				var pointer *wrapperspb.StringValue
				require.NoError(t, s.Decode(&msg, &pointer))
				require.True(t, proto.Equal(wrapperspb.String(text), pointer))
				require.NoError(t, s.Decode(&msg, pointer))
				require.Equal(t, text, pointer.GetValue())
				compressed := compression != codec.None && text == long
				require.Equal(t, compressed, len(msg.Body) < len(text)/10)
				require.Equal(t, compressed, msg.Headers[codec.HeaderEncoding] == compression.String())
			}
		})
	}
}

func roundTrip[V any](t *testing.T, s *codec.Set, v V, contentType string) {
	t.Helper()
	msg, err := s.Encode(v)
	require.NoError(t, err)
	require.Equal(t, contentType, msg.ContentType)
	var got V
	require.NoError(t, s.Decode(&msg, &got))
	require.Equal(t, v, got)
}

// TestWhatDoesNotShrink stays as it is.
func TestWhatDoesNotShrink(t *testing.T) {
	noise := make([]byte, 10_000)
	_, _ = rand.Read(noise)
	msg, err := newSet(t, codec.Config{Compression: codec.Gzip}).Encode(noise)
	require.NoError(t, err)
	require.Equal(t, noise, msg.Body)
	require.Empty(t, msg.Headers)
}

// TestContentTypes are compared without case and parameters, and none means Config.Untyped.
func TestContentTypes(t *testing.T) {
	s := newSet(t, codec.Config{})
	for _, name := range []string{
		"", "application/json", "Application/JSON; charset=utf-8",
		"application/vnd.shop.order+json",
	} {
		var o order
		require.NoError(t, s.Decode(&queue.Message{ContentType: name, Body: []byte(`{"Text":"x"}`)}, &o), name)
		require.Equal(t, order{"x"}, o)
	}
	csv := newSet(t, codec.Config{Codecs: []codec.Codec{codec.Raw("text/csv")}, Untyped: "text/csv"})
	var text string
	require.NoError(t, csv.Decode(&queue.Message{Body: []byte("a,b")}, &text))
	require.Equal(t, "a,b", text)
	require.Error(t, csv.Decode(&queue.Message{ContentType: "application/x+json", Body: []byte("{}")}, &text))
}

// TestUnknown: the error names what would be right, and so does the dead letter.
func TestUnknown(t *testing.T) {
	s := newSet(t, codec.Config{})
	for want, msg := range map[string]queue.Message{
		`content type "text/csv" is unknown; known are application/protobuf`: {ContentType: "text/csv"},
		`content type "a/b/c;;=" is unknown; known are`:                      {ContentType: "a/b/c;;="},
		`content encoding "br" is unknown; known are identity, gzip, zstd`: {
			Headers: map[string]string{codec.HeaderEncoding: "br"},
		},
	} {
		var into order
		err := s.Decode(&msg, &into)
		require.ErrorIs(t, err, queue.ErrUnknown)
		require.ErrorContains(t, err, want)

		got := gentasktest.Run(t, gentask.Handle(func(context.Context, order) error { t.Error("run"); return nil }),
			msg,
			gentask.Config{Decode: s.Decode})
		require.Equal(t, queue.Release, got.Disposition, "another node may know it")
		require.GreaterOrEqual(t, got.After, 5*time.Second)
		require.ErrorContains(t, got.Reason, want)
		got = gentasktest.Run(t, gentask.Handle(func(context.Context, order) error { t.Error("run"); return nil }), msg,
			gentask.Config{Decode: s.Decode, Unknown: gentask.Unknown{For: -1}})
		require.Equal(t, queue.DeadLetter, got.Disposition)
		require.ErrorContains(t, got.Reason, want)
	}
}

// TestBombs don't go off: a small body that would become a large one is refused, and so is one that
// only claims to.
func TestBombs(t *testing.T) {
	zeros := bytes.Repeat([]byte{0}, 8<<20)
	for _, compression := range []codec.Compression{codec.Gzip, codec.Zstd} {
		msg, err := newSet(t, codec.Config{Compression: compression}).Encode(zeros)
		require.NoError(t, err)
		require.Less(t, len(msg.Body), 1<<20)
		var into []byte
		for most, wanted := range map[int]bool{32 << 20: true, 8<<20 - 1: false, 1 << 10: false} {
			err := newSet(t, codec.Config{MaxBytes: most}).Decode(&msg, &into)
			if wanted {
				require.NoError(t, err)
				require.Equal(t, zeros, into)
				continue
			}
			require.ErrorIs(t, err, codec.ErrTooLarge, "%v, %d", compression, most)
			require.ErrorContains(t, err, "become more than Config.MaxBytes, which is")
		}
		msg.Body = msg.Body[:len(msg.Body)/2]
		require.Error(t, newSet(t, codec.Config{MaxBytes: 64 << 20}).Decode(&msg, &into), "cut in half")
		msg.Body = []byte("not compressed at all")
		require.Error(t, newSet(t, codec.Config{}).Decode(&msg, &into))
	}
}

// TestMismatch: a payload of a type that the codec can't make is an error that names the type.
func TestMismatch(t *testing.T) {
	s := newSet(t, codec.Config{})
	require.ErrorContains(t, s.Decode(&queue.Message{ContentType: "application/protobuf"}, new(order)),
		"payload is a codec_test.order; want")
	require.ErrorContains(t, s.Decode(&queue.Message{ContentType: "application/protobuf"}, new(*order)),
		"want a pointer to a proto.Message")
	require.ErrorContains(t, s.Decode(&queue.Message{ContentType: "application/octet-stream"}, new(order)),
		"want a []byte or a string")
	_, err := s.Encode(func() {})
	require.ErrorContains(t, err, "encode a func() as application/json")
	_, err = newSet(t,
		codec.Config{Codecs: []codec.Codec{codec.Raw("")}, Untyped: "application/octet-stream"}).Encode(1)
	require.ErrorContains(t, err, "no codec fits a int; there are application/octet-stream")
}

func TestConfigIsChecked(t *testing.T) {
	for want, cfg := range map[string]codec.Config{
		"codec.Config.MinBytes is -1; want 0 for 1 KiB":                  {MinBytes: -1},
		"codec.Config.MaxBytes is -1; want 0 for 16 MiB":                 {MaxBytes: -1},
		"codec.Config.Untyped is text/csv; want one of application/":     {Untyped: "text/csv"},
		"codec.Config.Compression is compression(9); want None, Gzip or": {Compression: 9},
	} {
		_, err := codec.New(cfg)
		require.ErrorIs(t, err, queue.ErrConfig)
		require.ErrorContains(t, err, want)
	}
}

// FuzzDecode takes strangers' messages: they are decoded or refused, and what is decoded is not too
// large.
func FuzzDecode(f *testing.F) {
	for _, encoding := range []string{"", "gzip", "zstd", "br"} {
		f.Add("application/json", encoding, []byte(`{"Text":"x"}`))
		f.Add("application/protobuf", encoding, []byte{0x0a, 1, 'x'})
	}
	for _, compression := range []codec.Compression{codec.Gzip, codec.Zstd} {
		msg, err := newSet(f, codec.Config{Compression: compression, MinBytes: 1}).Encode(strings.Repeat("a", 5000))
		require.NoError(f, err)
		f.Add("", compression.String(), msg.Body)
	}
	s := newSet(f, codec.Config{MaxBytes: 4096})
	f.Fuzz(func(t *testing.T, contentType, encoding string, body []byte) {
		msg := queue.Message{
			ContentType: contentType, Headers: map[string]string{codec.HeaderEncoding: encoding},
			Body: body,
		}
		var raw []byte
		if err := s.Decode(&msg, &raw); err == nil {
			require.LessOrEqual(t, len(raw), max(4096, len(body)))
		}
		_ = s.Decode(&msg, new(order))
		_ = s.Decode(&msg, new(*wrapperspb.StringValue))
	})
}

// TestAByteOrderMarkIsNoPartOfJSON: some programs write one.
func TestAByteOrderMarkIsNoPartOfJSON(t *testing.T) {
	var got map[string]int
	require.NoError(t, codec.JSON().Unmarshal([]byte("\xef\xbb\xbf{\"a\":1}"), &got))
	require.Equal(t, map[string]int{"a": 1}, got)
}
