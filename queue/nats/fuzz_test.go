package nats

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/internal/address"
)

// FuzzWire: for any header block on the wire, the attempt is at least 1 and can be incremented, and
// copies of the message can be sent. A copy is read as its original was, with the new counter.
func FuzzWire(f *testing.F) {
	for _, block := range []string{
		"", "gentask-attempts: 3\r\n", "gentask-attempts: -1\r\n", "gentask-attempts: 9223372036854775807\r\n",
		"gentask-attempts: 99999999999999999999\r\n", "gentask-attempts: many\r\n", "Nats-Msg-Id: \xff\xfe\r\n",
		"gentask-id: a\r\ngentask-id: b\r\n",
		"gentask-time: 0000-99-99T\r\n", "gentask-time: 9999-12-31T23:59:59.999999999Z\r\n", "gentask-esc-%zz: %41\r\n",
		"gentask-esc-.Nats-TTL: 1s\r\n",
		"gentask-esc-gentask-attempts: 7\r\n", "Content-Type: \r\n", "Nats-Rollup: all\r\n",
		"gentask-dead-at: never\r\n", "a:\r\n",
		"\xff: \xff\r\n", ": x\r\n",
		"Status: 503\r\n", "gentask-correlation-id: c\r\ngentask-expiration: -7\r\n", "Nats-TTL: 1h\r\n",
		"gentask-esc-gentask-reply-to: a%0Ab\r\ngentask-reply-to: c\r\n", "a: 1\r\na: 2\r\n", "content-type: x\r\n",
	} {
		f.Add([]byte(block), []byte("body"), uint64(1), "why", int64(1))
	}
	f.Add([]byte("big: "+strings.Repeat("x", 1<<16)+"\r\n"), []byte(nil), uint64(math.MaxUint64), "\xff", int64(-1))
	f.Fuzz(func(t *testing.T, block, body []byte, delivered uint64, reason string, after int64) {
		h, err := natsgo.DecodeHeadersMsg(append(append([]byte("NATS/1.0\r\n"), block...), "\r\n"...))
		if err != nil {
			return // the client refuses it, and the message does not arrive with headers
		}
		m := decode(h, body, "fallback", time.Now())
		before, _ := queue.UsedUp(m.Headers)
		require.GreaterOrEqual(t, before, 0)
		require.LessOrEqual(t, before, queue.MaxCount)
		d := queue.Delivery{Message: m, Attempt: before + int(delivered%math.MaxInt32) + 1}
		s := &session{queue: "q"}
		for _, disposition := range []queue.Disposition{queue.Release, queue.DeadLetter} {
			h := &holding{Delivery: d, origin: origin{stream: "q", sequence: 1}}
			c := claim{holding: h, settlement: queue.Settlement{
				Disposition: disposition, Reason: reason,
				Evidence: &queue.Evidence{Stack: reason},
			}}
			again := decode(s.copyOf(c).Header, body, "lost", time.Now())
			require.Equal(t, m.ID, again.ID)
			require.Equal(t, m.ContentType, again.ContentType)
			require.Equal(t, m.Properties, again.Properties)
			require.True(t, m.Time.Equal(again.Time) || m.Time.Year() > 9999 || m.Time.Year() < 0)
			require.True(t, bytes.Equal(body, again.Body))
			used, copied := queue.UsedUp(again.Headers)
			require.True(t, copied)
			require.Equal(t, min(d.Attempt-1+int(disposition/queue.DeadLetter), queue.MaxCount), used)
			most := int64(len(body)) + int64(delivered%2048)
			require.True(t, fits(shed(s.copyOf(c), most), most))
		}
		require.NotEmpty(t, claim{settlement: queue.Settlement{
			Disposition: queue.Requeue,
			After:       time.Duration(after),
		}}.answer())
	})
}

// FuzzURL: New accepts a URL or returns an error, and shows no password.
func FuzzURL(f *testing.F) {
	for _, url := range []string{
		"nats://localhost", "nats://u:hunter2@localhost:4222,tls://b", "ws://[::1]:80/x", "nats://hunter2@h",
		"nats://u:hunter2%zz@h", "://", "", ",",
		"nats://\x00", "nats://u:hunter2@", "hunter2", "http://u:hunter2@h", "nats://u:p@h:99999", "NATS://h",
		"nats:u:hunter2@h",
	} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		b, err := New(url, Config{})
		if err != nil {
			require.ErrorIs(t, err, queue.ErrConfig)
			require.Nil(t, b)
			return
		}
		require.NotPanics(t, func() { _ = address.Redact(url) })
		require.NoError(t, b.Close())
	})
}

// FuzzQueueName: a valid name is also one for a stream, a subject and a file, and so is that of its
// dead-letter queue.
func FuzzQueueName(f *testing.F) {
	for _, name := range []string{
		"emails", "", "a.b", "a b", "*", ">", "a/b", `a\b`, "\x00", "$JS", "_INBOX", "é", "\xff", "a\u200bb",
		strings.Repeat("x", 201),
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := checkName(name)
		if err != nil {
			require.ErrorIs(t, err, queue.ErrConfig)
			return
		}
		require.NotEmpty(t, name)
		require.LessOrEqual(t, len(name+deadSuffix), 255)
		require.False(t, strings.ContainsAny(name, ".*>/\\ \t\r\n\x00"), "%q", name)
	})
}
