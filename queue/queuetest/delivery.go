package queuetest

import (
	"bytes"
	"strings"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// deliveryCases: the fields of a delivery, and how many a session holds.
func deliveryCases() []testCase {
	return []testCase{
		{"delivery/keeps the message", keepsMessage},
		{"delivery/fills in what is unsaid", fillsIn},
		{"delivery/bodies of every size", bodies},
		{"delivery/hostile headers", hostileHeaders},
		{"delivery/line breaks in a header", lineBreaks},
		{"delivery/tags are unique", uniqueTags},
		{"delivery/prefetch is never exceeded", prefetchHolds},
	}
}

// keepsMessage: the received message equals the published one. The time is a whole second, because
// some brokers have no finer one.
func keepsMessage(b *bench) {
	sent := queue.Message{
		ID:          "order-17",
		Body:        []byte(`{"total": 12}`),
		Headers:     map[string]string{"tenant": "acme", "trace-id": "4bf92f3577b34da6"},
		ContentType: "application/json",
		Time:        time.Now().Add(-time.Hour).Truncate(time.Second),
	}
	require.NoError(b.t, b.Publisher.Publish(b.ctx, sent))
	got := b.receive(b.open(1))
	require.Equal(b.t, sent.ID, got.ID)
	require.Equal(b.t, sent.Body, got.Body)
	require.Subset(b.t, got.Headers, sent.Headers)
	require.Equal(b.t, sent.ContentType, got.ContentType)
	require.WithinDuration(b.t, sent.Time, got.Time, 0)
	require.Equal(b.t, 1, got.Attempt)
	require.False(b.t, got.Redelivered)
}

// fillsIn: messages without id and time get an id of their own and the present time.
func fillsIn(b *bench) {
	start := time.Now()
	require.NoError(b.t, b.Publisher.Publish(b.ctx, queue.Message{}, queue.Message{}))
	ds := b.take(b.open(2), 2)
	require.NotEqual(b.t, ds[0].ID, ds[1].ID)
	for _, d := range ds {
		require.NotEmpty(b.t, d.ID)
		require.WithinRange(b.t, d.Time, start.Add(-2*time.Second), time.Now().Add(2*time.Second))
	}
}

// bodies: an empty body is valid, and one of nearly a MiB too. A little less, because the usual
// limit of 1 MiB includes the headers.
func bodies(b *bench) {
	s := b.open(1)
	for _, size := range []int{0, 1, 64 << 10, 1<<20 - 16<<10} {
		body := bytes.Repeat([]byte("gentask\x00"), size/8+1)[:size]
		require.NoError(b.t, b.Publisher.Publish(b.ctx, queue.Message{Body: body}), "body of %d bytes", size)
		d := b.receive(s)
		require.True(b.t, bytes.Equal(body, d.Body), "%d bytes were sent, %d others received", size, len(d.Body))
		b.settle(s, queue.Ack, d)
	}
}

// hostileHeaders: header values are any text.
func hostileHeaders(b *bench) {
	sent := map[string]string{
		"empty":   "",
		"unicode": "Zürich 東京 🚀",
		"long":    strings.Repeat("x", 4<<10),
		"quotes":  `"a": 'b', \c; d=e`,
		"UPPER":   "its name keeps its case",
		"number":  "00042",
	}
	require.NoError(b.t, b.Publisher.Publish(b.ctx, queue.Message{Headers: sent}))
	require.Subset(b.t, b.receive(b.open(1)).Headers, sent)
}

// lineBreaks: a value that would be more than one header on some wires arrives whole, or is
// refused; it never becomes another message.
func lineBreaks(b *bench) {
	sent := map[string]string{"note": "first\r\ngentask-attempts: 7\r\n\r\nbody"}
	if err := b.Publisher.Publish(b.ctx, queue.Message{Headers: sent}); err != nil {
		b.empty()
		return
	}
	d := b.receive(b.open(1))
	require.Subset(b.t, d.Headers, sent)
	require.Equal(b.t, 1, d.Attempt)
	require.Empty(b.t, d.Body)
}

// uniqueTags: within a session no tag is handed out twice, even after it was settled.
func uniqueTags(b *bench) {
	b.publish(names(10)...)
	s := b.open(2)
	seen := map[uint64]bool{}
	for range 10 {
		d := b.receive(s)
		require.False(b.t, seen[d.Tag], "tag %d was handed out twice", d.Tag)
		seen[d.Tag] = true
		b.settle(s, queue.Ack, d)
	}
}

// prefetchHolds: a session with all slots taken gets nothing more until one is free, by any
// disposition.
func prefetchHolds(b *bench) {
	b.publish(names(8)...)
	s := b.open(3)
	held := b.take(s, 3)
	b.held(3)
	for _, disposition := range []queue.Disposition{queue.Ack, queue.DeadLetter, queue.Ack} {
		b.silent(s)
		b.settle(s, disposition, held[1])
		held[1] = b.receive(s)
	}
	b.silent(s)
}
