package memory_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/stretchr/testify/require"
)

// TestOrder: publishing and requeuing go to the tail, releases to the head in the order of
// delivery, in any order of the batch.
func TestOrder(t *testing.T) {
	bubble(t, memory.Config{}, func(t *testing.T, q *memory.Queue) {
		publish(t, q, "a", "b", "c", "d", "e")
		s := open(t, q, 5)
		ds := receive(t, s, 4)
		batch := all(queue.Release, ds[2], ds[0], ds[1])
		batch[2].Disposition = queue.Requeue
		require.NoError(t, s.Settle(t.Context(), append(batch, all(queue.Release, ds[3])...)))
		require.Equal(t, []string{"a", "c", "d", "e", "b"}, ids(receive(t, s, 5)))
	})
}

// TestDelay: to the nanosecond in a bubble, in any order of delays.
func TestDelay(t *testing.T) {
	bubble(t, memory.Config{}, func(t *testing.T, q *memory.Queue) {
		publish(t, q, "long", "short")
		s := open(t, q, 2)
		ds := receive(t, s, 2)
		start := time.Now()
		batch := all(queue.Requeue, ds...)
		batch[0].After, batch[1].After = time.Hour, time.Minute
		batch[0].Reason = "no luck"
		require.NoError(t, s.Settle(t.Context(), batch))
		require.Equal(t, 2, q.Stats().Delayed)
		require.Equal(t, "short", receive(t, s, 1)[0].ID)
		require.Equal(t, time.Minute, time.Since(start))
		long := receive(t, s, 1)[0]
		require.Equal(t, time.Hour, time.Since(start))
		require.Equal(t, "no luck", long.Headers[queue.HeaderReason])
	})
}

// maxCounted is the attempt that a forged counter leads to, the maximum that can be incremented
// without an overflow.
const maxCounted = math.MaxInt32/4 + 1

// TestAttemptsOfACopy: a message with used attempts in its headers continues from there; nonsense
// counts as none.
func TestAttemptsOfACopy(t *testing.T) {
	bubble(t, memory.Config{}, func(t *testing.T, q *memory.Queue) {
		s := open(t, q, 9)
		for text, want := range map[string]int{
			"4": 5, "0": 1, "-3": 1, "many": 1, "": 1,
			"9223372036854775807": maxCounted, "99999999999999999999": maxCounted, "-99999999999999999999": 1,
		} {
			m := queue.Message{Headers: map[string]string{queue.HeaderAttempts: text}}
			require.NoError(t, q.Publish(t.Context(), m))
			require.Equal(t, want, receive(t, s, 1)[0].Attempt, "%q", text)
		}
	})
}

// TestHeadersAreCopied: a publisher may go on using its map, and a requeue does not write into it.
func TestHeadersAreCopied(t *testing.T) {
	bubble(t, memory.Config{}, func(t *testing.T, q *memory.Queue) {
		mine := map[string]string{"k": "v"}
		require.NoError(t, q.Publish(t.Context(), queue.Message{Headers: mine}))
		mine["k"] = "changed"
		s := open(t, q, 1)
		d := receive(t, s, 1)[0]
		require.Equal(t, map[string]string{"k": "v"}, d.Headers)
		require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{
			Delivery: d, Disposition: queue.DeadLetter,
			Reason: "bad",
		}}))
		require.Equal(t, map[string]string{"k": "v"}, d.Headers)
		require.Equal(t, "bad", q.DeadLetters()[0].Headers[queue.HeaderReason])
	})
}

// TestClose: a queue that closes loses its sessions, refuses new ones, and delivers no delayed
// message any more. Its counts stay.
func TestClose(t *testing.T) {
	bubble(t, memory.Config{}, func(t *testing.T, q *memory.Queue) {
		publish(t, q, "a", "b")
		s := open(t, q, 2)
		batch := all(queue.Requeue, receive(t, s, 2)[0])
		batch[0].After = time.Minute
		require.NoError(t, s.Settle(t.Context(), batch))
		q.Close()
		q.Close()
		time.Sleep(time.Hour)
		_, err := s.Receive(t.Context())
		require.ErrorIs(t, err, queue.ErrSessionLost)
		_, err = q.Open(t.Context(), queue.Options{Prefetch: 1})
		require.ErrorIs(t, err, queue.ErrClosed)
		require.ErrorIs(t, q.Publish(t.Context(), queue.Message{}), queue.ErrClosed)
		stats := q.Stats()
		require.Equal(t, [3]int{1, 1, 0}, [3]int{stats.Ready, stats.Delayed, stats.Held})
	})
}

// TestWaitEmpty: it waits for what is ready, delayed and held, and for no longer.
func TestWaitEmpty(t *testing.T) {
	bubble(t, memory.Config{}, func(t *testing.T, q *memory.Queue) {
		require.NoError(t, q.WaitEmpty(t.Context()))
		publish(t, q, "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, q.WaitEmpty(ctx), context.DeadlineExceeded)

		empty := make(chan error, 1)
		go func() { empty <- q.WaitEmpty(t.Context()) }()
		s := open(t, q, 1)
		require.NoError(t, s.Settle(t.Context(), all(queue.Requeue, receive(t, s, 1)...)))
		d := receive(t, s, 1)
		synctest.Wait()
		require.Empty(t, empty)
		require.NoError(t, s.Settle(t.Context(), all(queue.DeadLetter, d...)))
		require.NoError(t, <-empty)
	})
}

// TestManyReceivers: goroutines that share a session, and sessions that share a queue, all wake up:
// no wake-up is lost.
func TestManyReceivers(t *testing.T) {
	bubble(t, memory.Config{}, func(t *testing.T, q *memory.Queue) {
		results := make(chan error, 12)
		for range 3 {
			s := open(t, q, 4)
			for range 4 {
				go func() {
					_, err := s.Receive(t.Context())
					results <- err
				}()
			}
		}
		synctest.Wait()
		require.NoError(t, q.Publish(t.Context(), make([]queue.Message, 12)...))
		for range cap(results) {
			require.NoError(t, <-results)
		}
		require.Equal(t, 12, q.Stats().MaxHeld)
	})
}

// TestWakes: a waiting Receive wakes up when a delivery becomes possible: a slot is free, or a
// message comes back elsewhere.
func TestWakes(t *testing.T) {
	settle := func(disposition queue.Disposition) func(*testing.T, queue.Session, *queue.Delivery) {
		return func(t *testing.T, s queue.Session, d *queue.Delivery) {
			t.Helper()
			require.NoError(t, s.Settle(t.Context(), all(disposition, d)))
		}
	}
	for name, act := range map[string]func(t *testing.T, holder queue.Session, d *queue.Delivery){
		"requeue": settle(queue.Requeue),
		"release": settle(queue.Release),
		"close":   func(t *testing.T, s queue.Session, _ *queue.Delivery) { require.NoError(t, s.Close(t.Context())) },
	} {
		t.Run("elsewhere, "+name, func(t *testing.T) {
			bubble(t, memory.Config{}, func(t *testing.T, q *memory.Queue) {
				publish(t, q, "a")
				holder, idle := open(t, q, 1), open(t, q, 1)
				d := receive(t, holder, 1)[0]
				time.AfterFunc(time.Second, func() { act(t, holder, d) })
				require.Equal(t, "a", receive(t, idle, 1)[0].ID)
			})
		})
	}
	t.Run("a free slot", func(t *testing.T) {
		bubble(t, memory.Config{}, func(t *testing.T, q *memory.Queue) {
			publish(t, q, "a", "b")
			s := open(t, q, 1)
			d := receive(t, s, 1)[0]
			time.AfterFunc(time.Second, func() { settle(queue.Ack)(t, s, d) })
			require.Equal(t, "b", receive(t, s, 1)[0].ID)
		})
	})
}

// TestHeld: per session, in the order of delivery.
func TestHeld(t *testing.T) {
	bubble(t, memory.Config{}, func(t *testing.T, q *memory.Queue) {
		publish(t, q, "a", "b", "c")
		s1, err := q.Open(t.Context(), queue.Options{Prefetch: 3, Name: "first"})
		require.NoError(t, err)
		ds := receive(t, s1, 2)
		ds = append(ds, receive(t, open(t, q, 1), 1)...)
		require.Equal(t, []memory.Holding{
			{Session: 1, Name: "first", Prefetch: 3, Deliveries: ds[:2]},
			{Session: 2, Prefetch: 1, Deliveries: ds[2:]},
		}, q.Held())
	})
}
