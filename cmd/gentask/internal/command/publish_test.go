package command_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/cmd/gentask/internal/command"
	"github.com/gentask/gentask/queue"
)

// next takes the next message of a queue.
func (w *world) next(name string) queue.Message {
	w.t.Helper()
	session, err := w.queues[name].Open(w.t.Context(), queue.Options{Prefetch: 1})
	require.NoError(w.t, err)
	d, err := session.Receive(w.t.Context())
	require.NoError(w.t, err)
	require.NoError(w.t, session.Settle(w.t.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}))
	require.NoError(w.t, session.Close(w.t.Context()))
	return d.Message
}

func TestPublish_OneMessage(t *testing.T) {
	w := newWorld(t, "emails")
	o := w.call("a\nb\n", "publish", "emails", "--id", "m1", "--header", "to=ana=b", "--kind", "mail", "--type", "text/plain",
		"--priority", "3")
	require.Equal(t, outcome{0, "m1\n", ""}, o)
	m := w.next("emails")
	require.Equal(t, "a\nb\n", string(m.Body))
	require.Equal(t, map[string]string{"to": "ana=b", queue.HeaderKind: "mail"}, m.Headers)
	require.Equal(t, "text/plain", m.ContentType)
	require.Equal(t, 3, m.Priority)

	file := filepath.Join(t.TempDir(), "body")
	require.NoError(t, os.WriteFile(file, []byte{0, 1, 255}, 0o600))
	require.NotEmpty(t, w.must("publish", "emails", file))
	require.Equal(t, []byte{0, 1, 255}, w.next("emails").Body)
}

func TestPublish_Duplicates(t *testing.T) {
	w := newWorld(t, "emails")
	require.Equal(t, "m1\n", w.call("x", "publish", "emails", "--unique", "k", "--id", "m1").out)
	require.Equal(t, "m2\tduplicate\n", w.call("x", "publish", "emails", "--unique", "k", "--id", "m2").out)
	all := objects(t, w.call("x", "--json", "publish", "emails", "--unique", "k", "--id", "m3").out)
	require.Equal(t, []map[string]any{{"id": "m3", "queue": "emails", "duplicate": true}}, all)
}

func TestPublish_Lines(t *testing.T) {
	w := newWorld(t, "emails")
	o := w.call("one\r\n\ntwo\nthree", "--json", "publish", "--lines", "emails")
	require.Equal(t, 0, o.code)
	require.Len(t, objects(t, o.out), 3)
	for _, want := range []string{"one", "two", "three"} {
		require.Equal(t, want, string(w.next("emails").Body))
	}
	require.Equal(t, outcome{}, w.call("", "publish", "--lines", "emails"))
}

func TestPublish_Later(t *testing.T) {
	w := newWorld(t, "emails")
	w.must("publish", "emails", "--delay", "1h")
	w.must("publish", "emails", "--at", time.Now().Add(time.Hour).Format(time.RFC3339))
	w.must("publish", "emails", "--at", "2001-01-01T00:00:00Z")
	require.Equal(t, "emails\t1\t2\t0\t0\t0\n", w.must("queues", "emails"))
}

// TestPublish_MakesNoQueue by mistake.
func TestPublish_MakesNoQueue(t *testing.T) {
	w := newWorld(t)
	o := w.call("x", "publish", "typo")
	require.Equal(t, command.ExitMissing, o.code)
	require.Contains(t, o.err, "--create")
}

// TestPublish_ThatIsRefused is told for each message.
func TestPublish_ThatIsRefused(t *testing.T) {
	w := newWorld(t, "emails")
	w.queues["emails"].Close()
	o := w.call("a\nb", "--json", "publish", "emails", "--lines")
	require.Equal(t, command.ExitFound, o.code)
	require.Contains(t, o.err, "2 of 2 messages were not confirmed")
	for _, text := range column[string](objects(t, o.out), "error") {
		require.Contains(t, text, "closed")
	}
}
