package queuetest

import (
	"context"
	"fmt"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// publishCases say what a confirmed publish is worth.
func publishCases() []testCase {
	return []testCase{
		{"publish/none", publishNone},
		{"publish/many in one call", publishMany},
		{"publish/from many goroutines", publishConcurrently},
		{"publish/with an ended context", publishEnded},
		{"publish/to nobody", publishToNobody},
	}
}

// publishNone: publishing nothing does nothing.
func publishNone(b *bench) {
	require.NoError(b.t, b.Publisher.Publish(b.ctx))
	b.empty()
}

// publishMany: a long call is confirmed as a whole, and each message is there once.
func publishMany(b *bench) {
	ids := names(500)
	b.publish(ids...)
	b.consumeAll(ids)
}

// publishConcurrently: publishers do not disturb each other.
func publishConcurrently(b *bench) {
	const publishers, each = 8, 50
	var ids []string
	results := make(chan error, publishers)
	for p := range publishers {
		msgs := make([]queue.Message, each)
		for i := range msgs {
			msgs[i].ID = fmt.Sprintf("p%d-%02d", p, i)
			ids = append(ids, msgs[i].ID)
		}
		go func() { results <- b.publishInThree(msgs) }()
	}
	for range publishers {
		require.NoError(b.t, <-results)
	}
	b.consumeAll(ids)
}

// publishInThree publishes msgs one alone, then two, then the rest.
func (b *bench) publishInThree(msgs []queue.Message) error {
	for _, part := range [][]queue.Message{msgs[:1], msgs[1:3], msgs[3:]} {
		if err := b.Publisher.Publish(b.ctx, part...); err != nil {
			return err
		}
	}
	return nil
}

// publishEnded: without a confirm in time, the error names every message that has none.
func publishEnded(b *bench) {
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	err := b.Publisher.Publish(ctx, queue.Message{ID: "a"}, queue.Message{ID: "b"})
	require.ErrorIs(b.t, err, context.Canceled)
	var failed *queue.PublishError
	require.ErrorAs(b.t, err, &failed)
	require.Len(b.t, failed.Failed, 2)
	require.Equal(b.t, "a", failed.Failed[0].ID)
	require.Equal(b.t, "b", failed.Failed[1].ID)
}

// publishToNobody: messages wait for the first session that is ever opened.
func publishToNobody(b *bench) {
	b.publish("early")
	require.Equal(b.t, "early", b.receive(b.open(1)).ID)
}

// consumeAll requires that exactly ids are in the queue, each once.
func (b *bench) consumeAll(ids []string) {
	b.t.Helper()
	s := b.open(50)
	got := make([]string, len(ids))
	for i := range got {
		d := b.receive(s)
		got[i] = d.ID
		b.settle(s, queue.Ack, d)
	}
	require.ElementsMatch(b.t, ids, got)
	b.silent(s)
	b.close(s)
	b.empty()
}
