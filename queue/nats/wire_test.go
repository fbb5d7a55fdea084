package nats

import (
	"bufio"
	"bytes"
	"net/http"
	"net/textproto"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/queue"
)

// A message with any content arrives unchanged, through the client's changes to headers on the
// wire.
func TestMessagesSurviveTheWire(t *testing.T) {
	hostile := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"", " x ", "a\r\nb", "Nats-Rollup", "nats-ttl", headerID, headerTime, headerContentType, escaped + "x", ".x",
		queue.HeaderReason, queue.HeaderCorrelationID, queue.HeaderExpiration, "content-type",
		"100%", "%41", "a:b", "é",
	}))
	rapid.Check(t, func(t *rapid.T) {
		m := queue.Message{
			ID:          hostile.Filter(func(s string) bool { return s != "" }).Draw(t, "id"),
			Headers:     rapid.MapOf(hostile, hostile).Draw(t, "headers"),
			ContentType: hostile.Draw(t, "content type"),
			Time: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "s"),
				rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC(),
		}
		p := queue.Properties{
			CorrelationID: hostile.Draw(t, "correlation id"), Type: hostile.Draw(t, "type"),
			Expiration: time.Duration(rapid.Int64Range(0, 1<<40).Draw(t, "ms")) * time.Millisecond,
			Subject:    hostile.Draw(t, "subject"), Exchange: hostile.Draw(t, "exchange"),
		}
		m.Properties = p.OrNil()
		if len(m.Headers) == 0 {
			m.Headers = nil
		}
		dedup := rapid.SampledFrom([]string{m.ID, "", "another"}).Draw(t, "dedup")
		got := decode(overTheWire(t, encode("q", dedup, m).Header), m.Body, "fallback", time.Now())
		require.Equal(t, m, got)
	})
}

// overTheWire writes and reads headers with the functions that the client uses.
func overTheWire(t *rapid.T, h natsgo.Header) natsgo.Header {
	var b bytes.Buffer
	require.NoError(t, http.Header(h).Write(&b))
	read := natsgo.Header{}
	lines := textproto.NewReader(bufio.NewReader(&b))
	for {
		line, err := lines.ReadLine()
		if err != nil {
			return read
		}
		name, value, ok := bytes.Cut([]byte(line), []byte(":"))
		require.True(t, ok, "malformed line %q", line)
		read[string(name)] = append(read[string(name)], textproto.TrimString(string(value)))
	}
}

func TestCutKeepsWholeCharacters(t *testing.T) {
	require.Equal(t, "ab", cut("abé", 3))
	require.Equal(t, "abé", cut("abé", 4))
}
