package queuetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// slack is the rounding of a broker's clock that is tolerated for a delay.
const slack = 5 * time.Millisecond

// expect waits for exactly one delivery of each of ids, in any order.
func (b *bench) expect(s queue.Session, ids []string) []*queue.Delivery {
	b.t.Helper()
	ds := b.take(s, len(ids))
	require.ElementsMatch(b.t, ids, idsOf(ds))
	return ds
}

// receiveID waits for a delivery, which must be the one of the message id.
func (b *bench) receiveID(s queue.Session, id string) *queue.Delivery {
	b.t.Helper()
	d := b.receive(s)
	require.Equal(b.t, id, d.ID)
	return d
}

// either waits for a delivery of one of two sessions, and returns it with its session.
func (b *bench) either(s1, s2 queue.Session) (queue.Session, *queue.Delivery) {
	b.t.Helper()
	deadline := time.Now().Add(arrival)
	for time.Now().Before(deadline) {
		for _, s := range []queue.Session{s1, s2} {
			ctx, cancel := context.WithTimeout(b.ctx, silence/10)
			d, err := s.Receive(ctx)
			cancel()
			if err == nil {
				return s, d
			}
			require.ErrorIs(b.t, err, context.DeadlineExceeded)
		}
	}
	require.FailNow(b.t, "nothing arrived in either session")
	return nil, nil
}

// waiting starts a Receive that should end with an error. It is most likely blocked when waiting
// returns. The error comes from the channel.
func (b *bench) waiting(s queue.Session) <-chan error {
	result := make(chan error, 1) // buffered: a case that has failed does not wait for it
	go func() {
		for {
			if _, err := s.Receive(b.ctx); err != nil {
				result <- err
				return
			}
		}
	}()
	select {
	case <-time.After(silence / 4):
	case <-b.ctx.Done():
	}
	return result
}

// dead waits until exactly n dead letters lie in the dead-letter queue, and returns them.
func (b *bench) dead(n int) []queue.Message {
	b.t.Helper()
	var letters []queue.Message
	var err error
	came := b.poll(func() bool {
		letters, err = b.DeadLetters(b.ctx)
		return err == nil && len(letters) == n
	})
	require.True(b.t, came, "want %d dead letters, got %d, error %v", n, len(letters), err)
	return letters
}

// held waits until the broker reports exactly n unacknowledged deliveries. It reports whether the
// driver supports that at all.
func (b *bench) held(n int) bool {
	b.t.Helper()
	if b.Held == nil {
		return false
	}
	var got int
	var err error
	came := b.poll(func() bool {
		got, err = b.Held(b.ctx)
		return err == nil && got == n
	})
	require.True(b.t, came, "the broker calls %d deliveries unacknowledged, want %d, error %v", got, n, err)
	return true
}

// poll calls done until it returns true or the time is over, and reports which.
func (b *bench) poll(done func() bool) bool {
	deadline := time.Now().Add(arrival)
	for !done() {
		if time.Now().After(deadline) || b.ctx.Err() != nil {
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
	return true
}

// since returns how much time has passed since start, by the clock that has gone further: brokers
// go by the time of day, which may be set meanwhile.
func since(start time.Time) time.Duration {
	return max(time.Since(start), time.Now().Round(0).Sub(start.Round(0)))
}

// notBefore requires that delay has passed since start.
func (b *bench) notBefore(start time.Time, delay time.Duration) {
	b.t.Helper()
	require.GreaterOrEqual(b.t, since(start), delay-slack, "came back earlier than asked")
}

// failures requires that err lists exactly the failed settlements of want, each with an error that
// wraps the given one.
func (b *bench) failures(err error, want map[uint64]error) {
	b.t.Helper()
	var failed *queue.SettleError
	require.ErrorAs(b.t, err, &failed)
	require.Len(b.t, failed.Failed, len(want))
	for _, f := range failed.Failed {
		require.ErrorIs(b.t, f.Err, want[f.Tag], "delivery %d", f.Tag)
	}
}

// batchOf returns one settlement with the same disposition for each of ds.
func batchOf(disposition queue.Disposition, ds ...*queue.Delivery) []queue.Settlement {
	batch := make([]queue.Settlement, len(ds))
	for i, d := range ds {
		batch[i] = queue.Settlement{Delivery: d, Disposition: disposition}
	}
	return batch
}

// names returns n message ids, in order.
func names(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("m%03d", i)
	}
	return ids
}

// idsOf returns the message ids of ds.
func idsOf(ds []*queue.Delivery) []string {
	ids := make([]string, len(ds))
	for i, d := range ds {
		ids[i] = d.ID
	}
	return ids
}

// without returns ids without those of gone.
func without(ids []string, gone ...string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return slices.Contains(gone, id) })
}
