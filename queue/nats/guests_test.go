package nats_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/codec"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// guestQueue returns a session of a queue whose stream also has the subjects below its name.
func guestQueue(ctx context.Context, t *testing.T) (*nats.Queue, queue.Session, jetstream.JetStream) {
	t.Helper()
	q, js := newQueue(t, "nats://"+standard, nats.Config{}), bare(t, "nats://"+standard)
	s, err := q.Open(ctx, queue.Options{Prefetch: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.WithoutCancel(ctx))) })
	stream, err := js.Stream(ctx, q.Name())
	require.NoError(t, err)
	cfg := stream.CachedInfo().Config
	cfg.Subjects = append(cfg.Subjects, q.Name()+".>")
	_, err = js.UpdateStream(ctx, cfg)
	require.NoError(t, err)
	return q, s, js
}

// TestAForeignMessageKeepsEverything: the properties, the subject and the headers of a message of
// another program reach the job, in any case and number, and survive every way that it takes.
func TestAForeignMessageKeepsEverything(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	q, s, js := guestQueue(ctx, t)
	var body bytes.Buffer
	w := gzip.NewWriter(&body)
	_, err := w.Write([]byte(`{"total":12}`))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	subject := q.Name() + ".eu.invoice"
	_, err = js.PublishMsg(ctx, &natsgo.Msg{Subject: subject, Data: body.Bytes(), Header: natsgo.Header{
		queue.HeaderCorrelationID: {"c-1"}, queue.HeaderReplyTo: {"_INBOX.answers"}, queue.HeaderType: {"invoice"},
		queue.HeaderAppID: {"billing"}, queue.HeaderExpiration: {"60000"}, queue.HeaderSubject: {"forged"},
		"content-type": {"application/json; charset=UTF-8"}, "Content-Encoding": {"gzip"},
		"Via": {"a", "b"}, "via": {"c"},
	}})
	require.NoError(t, err)
	want := queue.Properties{
		CorrelationID: "c-1", ReplyTo: "_INBOX.answers", Type: "invoice", AppID: "billing", Expiration: time.Minute,
		Subject: subject,
	}
	set, err := codec.New(codec.Config{})
	require.NoError(t, err)
	check := func(m queue.Message) {
		t.Helper()
		require.Equal(t, want, *m.Properties)
		require.Equal(t, "a, b", m.Headers["Via"])
		require.Equal(t, "c", m.Headers["via"])
		require.Equal(t, "gzip", m.Headers["Content-Encoding"])
		var invoice struct{ Total int }
		require.NoError(t, set.Decode(&m, &invoice))
		require.Equal(t, 12, invoice.Total)
	}
	for _, st := range []queue.Settlement{
		{Disposition: queue.Requeue},
		{Disposition: queue.Release},
		{Disposition: queue.Requeue, After: 10 * time.Millisecond},
		{Disposition: queue.Release, After: 10 * time.Millisecond},
		{Disposition: queue.DeadLetter, Reason: "why"},
	} {
		d, err := s.Receive(ctx)
		require.NoError(t, err)
		check(d.Message)
		st.Delivery = d
		require.NoError(t, s.Settle(ctx, []queue.Settlement{st}))
	}
	letters, err := q.DeadLetters(ctx, 10)
	require.NoError(t, err)
	require.Len(t, letters, 1)
	check(letters[0])
	_, err = q.Letters().Redrive(ctx, queue.LetterFilter{}, queue.RedriveOptions{})
	require.NoError(t, err)
	d, err := s.Receive(ctx)
	require.NoError(t, err)
	check(d.Message)
}

// TestForeignClientsReadTheReason: the first line of a reason is a header as it is. This library
// reads the whole reason.
func TestForeignClientsReadTheReason(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for reason, first := range map[string]string{
		"panic: 100% bad\nmain.go:7\n": "panic: 100% bad", "\r\n  \n two \r\nthree": "two", "one line": "one line",
		"\n": "", " around ": "around",
	} {
		q, s, js := guestQueue(ctx, t)
		require.NoError(t, q.Publish(ctx, queue.Message{ID: "a"}))
		d, err := s.Receive(ctx)
		require.NoError(t, err)
		require.NoError(t, s.Settle(ctx, []queue.Settlement{{Delivery: d, Disposition: queue.DeadLetter, Reason: reason}}))
		stream, err := js.Stream(ctx, q.Name()+"-dead")
		require.NoError(t, err)
		raw, err := stream.GetMsg(ctx, 1)
		require.NoError(t, err)
		require.Equal(t, first, raw.Header.Get(queue.HeaderReason))
		letters, err := q.DeadLetters(ctx, 10)
		require.NoError(t, err)
		require.Equal(t, reason, letters[0].Headers[queue.HeaderReason])
	}
}
