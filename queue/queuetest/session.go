package queuetest

import (
	"context"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// sessionCases: a session starts, waits and ends.
func sessionCases() []testCase {
	return []testCase{
		{"session/bad prefetch is refused", badPrefetch},
		{"session/open with an ended context", openEnded},
		{"session/receive with an ended context loses nothing", receiveEnded},
		{"session/receive wakes up", receiveWakes},
		{"session/close gives back", closeGivesBack},
		{"session/close unblocks receive", closeUnblocks},
		{"session/close twice", closeTwice},
		{"session/after close", afterClose},
		{"session/two share a queue", twoShare},
		{"session/settled from many goroutines", settledConcurrently},
	}
}

// badPrefetch: a prefetch below 1 is an error that wraps ErrConfig.
func badPrefetch(b *bench) {
	for _, prefetch := range []int{0, -1} {
		s, err := b.Source.Open(b.ctx, queue.Options{Prefetch: prefetch})
		require.ErrorIs(b.t, err, queue.ErrConfig, "prefetch %d", prefetch)
		require.ErrorContains(b.t, err, "Prefetch")
		require.Nil(b.t, s)
	}
}

// openEnded: Open does not outlast its context.
func openEnded(b *bench) {
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	start := time.Now()
	s, err := b.Source.Open(ctx, queue.Options{Prefetch: 1})
	require.ErrorIs(b.t, err, context.Canceled)
	require.Nil(b.t, s)
	require.Less(b.t, time.Since(start), arrival/2)
}

// receiveEnded: a Receive whose context ends, before or while it waits, loses no delivery.
func receiveEnded(b *bench) {
	s := b.open(3)
	ended, cancel := context.WithCancel(b.ctx)
	cancel()
	for range 20 {
		short, stop := context.WithTimeout(b.ctx, time.Millisecond)
		_, err := s.Receive(short)
		require.ErrorIs(b.t, err, context.DeadlineExceeded)
		stop()
	}
	ids := names(3)
	b.publish(ids...)
	var got []string
	for range 20 {
		d, err := s.Receive(ended)
		if err != nil {
			require.ErrorIs(b.t, err, context.Canceled)
			continue
		}
		got = append(got, d.ID)
	}
	for len(got) < len(ids) {
		got = append(got, b.receive(s).ID)
	}
	require.ElementsMatch(b.t, ids, got)
}

// receiveWakes: a message that comes later wakes a Receive that waits.
func receiveWakes(b *bench) {
	s := b.open(1)
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, id := range names(3) {
		wg.Go(func() { b.publishSoon(id) })
		d := b.receive(s)
		require.Equal(b.t, id, d.ID)
		b.settle(s, queue.Ack, d)
	}
}

// publishSoon publishes after a moment. It runs on another goroutine, so it must not end the test:
// a failure shows as a message that is missing.
func (b *bench) publishSoon(id string) {
	select {
	case <-time.After(silence / 4):
		_ = b.Publisher.Publish(b.ctx, queue.Message{ID: id})
	case <-b.ctx.Done():
	}
}

// closeGivesBack: deliveries that a closed session held, or that were on their way, come back and
// are marked as redelivered; settled ones do not.
func closeGivesBack(b *bench) {
	ids := names(6)
	b.publish(ids...)
	s := b.open(5)
	ds := b.take(s, 3)
	b.settle(s, queue.Ack, ds[1])
	b.close(s)
	left := without(ids, ds[1].ID)
	next := b.open(len(ids))
	for _, d := range b.expect(next, left) {
		if d.ID == ds[0].ID || d.ID == ds[2].ID {
			require.True(b.t, d.Redelivered, "%s was held before", d.ID)
		}
	}
	b.silent(next)
}

// closeUnblocks: Close wakes a Receive that waits.
func closeUnblocks(b *bench) {
	s := b.open(1)
	result := b.waiting(s)
	b.close(s)
	require.ErrorIs(b.t, <-result, queue.ErrClosed)
}

// closeTwice: a second Close returns nil, also at the same time.
func closeTwice(b *bench) {
	b.publish("a")
	s := b.open(1)
	b.receive(s)
	results := make(chan error, 3)
	for range cap(results) {
		go func() { results <- s.Close(b.ctx) }()
	}
	for range cap(results) {
		require.NoError(b.t, <-results)
	}
	b.close(s)
}

// afterClose: every method of a closed session returns ErrClosed.
func afterClose(b *bench) {
	b.publish("a")
	s := b.open(1)
	d := b.receive(s)
	b.close(s)
	_, err := s.Receive(b.ctx)
	require.ErrorIs(b.t, err, queue.ErrClosed)
	require.ErrorIs(b.t, s.Settle(b.ctx, batchOf(queue.Ack, d)), queue.ErrClosed)
	require.ErrorIs(b.t, s.Cancel(b.ctx), queue.ErrClosed)
	require.ErrorIs(b.t, s.Resume(b.ctx), queue.ErrClosed)
	b.receiveID(b.open(1), d.ID)
}

// twoShare: sessions compete for the messages of a queue; each message goes to one of them.
func twoShare(b *bench) {
	ids := names(30)
	b.publish(ids...)
	s1, s2 := b.open(5), b.open(5)
	first := b.take(s1, 5)
	second := b.take(s2, 5)
	b.settle(s1, queue.Ack, first...)
	b.settle(s2, queue.Ack, second...)
	got := idsOf(append(first, second...))
	for i := len(got); i < len(ids); i++ {
		s, d := b.either(s1, s2)
		b.settle(s, queue.Ack, d)
		got = append(got, d.ID)
	}
	require.ElementsMatch(b.t, ids, got)
}

// settledConcurrently: one goroutine receives, many settle.
func settledConcurrently(b *bench) {
	const n, settlers = 200, 8
	b.publish(names(n)...)
	s := b.open(20)
	work, results := make(chan *queue.Delivery, n), make(chan error, n)
	var wg sync.WaitGroup
	for range settlers {
		wg.Go(func() {
			for d := range work {
				results <- s.Settle(b.ctx, batchOf(queue.Ack, d))
			}
		})
	}
	got := b.handOut(s, n, work)
	wg.Wait()
	for range n {
		require.NoError(b.t, <-results)
	}
	require.ElementsMatch(b.t, names(n), got)
	b.silent(s)
}

// handOut sends n deliveries to work, which it closes, and returns their ids.
func (b *bench) handOut(s queue.Session, n int, work chan<- *queue.Delivery) []string {
	b.t.Helper()
	defer close(work)
	ids := make([]string, n)
	for i := range ids {
		d := b.receive(s)
		ids[i] = d.ID
		work <- d
	}
	return ids
}
