package queuetest

import (
	"context"
	"fmt"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// publishCases: the guarantees of a confirmed publish.
func publishCases() []testCase {
	return []testCase{
		{"publish/none", publishNone},
		{"publish/many in one call", publishMany},
		{"publish/from many goroutines", publishConcurrently},
		{"publish/with an ended context", publishEnded},
		{"publish/before the first session", publishUnwatched},
		{"publish/results", publishResults},
		{"publish/results of what was refused", publishResultsOfRefused},
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

// publishEnded: without a confirm in time, the error lists every message that has none.
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

// publishResults: each message has a result in its place, with the id that it is delivered with,
// also when it had none.
func publishResults(b *bench) {
	s := b.open(1)
	msgs := []queue.Message{{ID: "a", Body: []byte("0")}, {Body: []byte("1")}, {Body: []byte("2")}}
	results, err := queue.PublishResults(b.ctx, b.Publisher, msgs...)
	require.NoError(b.t, err)
	require.Len(b.t, results, len(msgs))
	require.Equal(b.t, "a", results[0].ID)
	seen := map[string]string{}
	for i, r := range results {
		require.NotEmpty(b.t, r.ID)
		require.Equal(b.t, queue.PublishResult{ID: r.ID}, r)
		d := b.receive(s)
		seen[string(d.Body)] = d.ID
		b.settle(s, queue.Ack, d)
		require.Empty(b.t, msgs[i].Headers, "the messages are the caller's")
	}
	require.Equal(b.t, map[string]string{"0": "a", "1": results[1].ID, "2": results[2].ID}, seen)
	results, err = queue.PublishResults(b.ctx, b.Publisher)
	require.NoError(b.t, err)
	require.Empty(b.t, results)
}

// publishResultsOfRefused: a message without a confirm has its reason in its place, and the error
// names the same.
func publishResultsOfRefused(b *bench) {
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		msgs []queue.Message
		want error
	}{
		{ctx, []queue.Message{{ID: "late"}, {ID: "too late"}}, context.Canceled},
		{b.ctx, []queue.Message{{ID: "good"}, {ID: "bad", Priority: queue.MaxPriority + 1}}, queue.ErrConfig},
	} {
		results, err := queue.PublishResults(c.ctx, b.Publisher, c.msgs...)
		require.Len(b.t, results, len(c.msgs))
		last := results[len(results)-1]
		require.ErrorIs(b.t, last.Err, c.want)
		require.False(b.t, last.Duplicate)
		var failed *queue.PublishError
		require.ErrorAs(b.t, err, &failed)
		without := map[string]error{}
		for _, r := range results {
			if r.Err != nil {
				without[r.ID] = r.Err
			}
		}
		named := map[string]error{}
		for _, f := range failed.Failed {
			named[f.ID] = f.Err
		}
		require.Equal(b.t, named, without)
	}
}

// publishUnwatched: messages wait for the first session that is ever opened.
func publishUnwatched(b *bench) {
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
