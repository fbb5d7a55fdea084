package nats_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// A message that the server sends while an intake is cancelled costs no attempt: it is handed out
// after all, or goes back as a copy.
func TestCancelCostsNoAttempt(t *testing.T) {
	const messages, prefetch = 500, 8
	q := newQueue(t, "nats://"+standard, nats.Config{Lease: time.Second})
	s := newSession(t, q, prefetch)
	published := make(chan error, 1)
	go func() { published <- publishOneByOne(soon(t), q, messages) }()
	attempts, cancels := map[string]int{}, 0
	for done := 0; done < messages; {
		d, err := s.Receive(soon(t))
		require.NoError(t, err)
		attempts[d.ID] = max(attempts[d.ID], d.Attempt)
		done++
		settle(t, s, queue.Ack, d)
		if done%3 != 0 {
			continue
		}
		cancels++
		require.NoError(t, s.Cancel(soon(t)))
		for {
			d, err := s.Receive(soon(t))
			if errors.Is(err, queue.ErrCancelled) {
				break
			}
			require.NoError(t, err)
			settle(t, s, queue.Release, d)
		}
		require.NoError(t, s.Resume(soon(t)))
	}
	require.NoError(t, <-published)
	later := 0
	for _, attempt := range attempts {
		if attempt > 1 {
			later++
		}
	}
	require.Len(t, attempts, messages)
	require.Zero(t, later, "of %d messages, after %d cancels", messages, cancels)
}

// publishOneByOne publishes n messages, each when the one before is confirmed, so that they arrive
// at any moment of a cancel.
func publishOneByOne(ctx context.Context, q *nats.Queue, n int) error {
	for i := range n {
		if err := q.Publish(ctx, queue.Message{ID: strconv.Itoa(i)}); err != nil {
			return err
		}
	}
	return nil
}
