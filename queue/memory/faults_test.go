package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/stretchr/testify/require"
)

// bubble runs check with a queue in a synctest bubble, and verifies the queue at the end.
func bubble(t *testing.T, cfg memory.Config, check func(t *testing.T, q *memory.Queue)) {
	t.Helper()
	cfg.Journal = true
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(cfg)
		defer q.Close()
		check(t, q)
		require.NoError(t, q.Check())
	})
}

// publish publishes a message for each id.
func publish(t *testing.T, q *memory.Queue, ids ...string) {
	t.Helper()
	for _, id := range ids {
		require.NoError(t, q.Publish(t.Context(), queue.Message{ID: id}))
	}
}

// open opens a session.
func open(t *testing.T, q *memory.Queue, prefetch int) queue.Session {
	t.Helper()
	s, err := q.Open(t.Context(), queue.Options{Prefetch: prefetch})
	require.NoError(t, err)
	return s
}

// receive takes n deliveries that must be there.
func receive(t *testing.T, s queue.Session, n int) []*queue.Delivery {
	t.Helper()
	ds := make([]*queue.Delivery, n)
	for i := range ds {
		d, err := s.Receive(t.Context())
		require.NoError(t, err)
		ds[i] = d
	}
	return ds
}

// ids returns the message ids of ds.
func ids(ds []*queue.Delivery) []string {
	var all []string
	for _, d := range ds {
		all = append(all, d.ID)
	}
	return all
}

// silent requires that s hands out nothing for an hour.
func silent(t *testing.T, s queue.Session) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	_, err := s.Receive(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// all returns one settlement for each of ds.
func all(disposition queue.Disposition, ds ...*queue.Delivery) []queue.Settlement {
	var batch []queue.Settlement
	for _, d := range ds {
		batch = append(batch, queue.Settlement{Delivery: d, Disposition: disposition})
	}
	return batch
}

// TestLoseSession: the deliveries that the lost session held return to the head in order, as the
// next attempt.
func TestLoseSession(t *testing.T) {
	bubble(t, memory.Config{}, func(t *testing.T, q *memory.Queue) {
		publish(t, q, "a", "b", "c", "d")
		s1, _ := open(t, q, 3), open(t, q, 1)
		require.Equal(t, 2, q.Held()[1].Session)
		held := receive(t, s1, 3)
		require.NoError(t, s1.Settle(t.Context(), all(queue.Ack, held[1])))
		require.True(t, q.LoseSession(1))
		require.False(t, q.LoseSession(1))
		require.ErrorIs(t, s1.Settle(t.Context(), all(queue.Ack, held[0])), queue.ErrSessionLost)
		got := receive(t, open(t, q, 3), 3)
		require.Equal(t, []string{"a", "c", "d"}, ids(got))
		require.Equal(t, []int{2, 2, 1}, []int{got[0].Attempt, got[1].Attempt, got[2].Attempt})
		require.Equal(t, 2, q.LoseSessions())
		require.Equal(t, 3, q.Stats().Lost)
	})
}

// TestLoseSessionFault: it strikes where a delivery would be handed out or a settlement applied,
// and nothing of either happens.
func TestLoseSessionFault(t *testing.T) {
	bubble(t, memory.Config{Faults: memory.Faults{LoseSession: memory.Times(1)}}, func(t *testing.T, q *memory.Queue) {
		publish(t, q, "a")
		_, err := open(t, q, 1).Receive(t.Context())
		require.ErrorIs(t, err, queue.ErrSessionLost)
		s := open(t, q, 1)
		ds := receive(t, s, 1)
		require.Equal(t, 1, ds[0].Attempt, "it was never handed out")
		q.SetFaults(memory.Faults{LoseSession: memory.Times(1)})
		require.ErrorIs(t, s.Settle(t.Context(), all(queue.Ack, ds...)), queue.ErrSessionLost)
		require.Equal(t, 2, receive(t, open(t, q, 1), 1)[0].Attempt)
	})
}

// TestLoseAck: Settle returns nil, and the message comes back nevertheless.
func TestLoseAck(t *testing.T) {
	bubble(t, memory.Config{Faults: memory.Faults{LoseAck: memory.Times(1)}}, func(t *testing.T, q *memory.Queue) {
		publish(t, q, "a", "b")
		s := open(t, q, 2)
		ds := receive(t, s, 2)
		require.NoError(t, s.Settle(t.Context(), all(queue.Ack, ds[0])))
		_, err := s.Receive(t.Context())
		require.ErrorIs(t, err, queue.ErrSessionLost)
		again := receive(t, open(t, q, 2), 2)
		require.Equal(t, []string{"a", "b"}, ids(again))
		require.True(t, again[0].Redelivered)
		require.Equal(t, 1, q.Stats().LostAcks)
	})
}

// TestLoseReply: Settle returns that the session is lost, although the settlement was applied.
func TestLoseReply(t *testing.T) {
	bubble(t, memory.Config{Faults: memory.Faults{LoseReply: memory.Times(1)}}, func(t *testing.T, q *memory.Queue) {
		publish(t, q, "a", "b")
		s := open(t, q, 2)
		ds := receive(t, s, 2)
		require.ErrorIs(t, s.Settle(t.Context(), all(queue.Ack, ds[0])), queue.ErrSessionLost)
		require.Equal(t, []string{"b"}, ids(receive(t, open(t, q, 2), 1)))
		require.Equal(t, 1, q.Stats().Acked)
	})
}

// TestDuplicate: every message comes twice, and never three times.
func TestDuplicate(t *testing.T) {
	bubble(t, memory.Config{Faults: memory.Faults{Duplicate: memory.Times(-1)}}, func(t *testing.T, q *memory.Queue) {
		publish(t, q, "a", "b")
		s := open(t, q, 9)
		ds := receive(t, s, 4)
		require.Equal(t, []string{"a", "b", "a", "b"}, ids(ds))
		require.NoError(t, s.Settle(t.Context(), all(queue.Requeue, ds[2:]...)))
		require.NoError(t, s.Settle(t.Context(), all(queue.Ack, append(receive(t, s, 2), ds[:2]...)...)))
		silent(t, s)
		require.Equal(t, 2, q.Stats().Duplicated)
		require.Equal(t, 4, q.Stats().Acked)
	})
}

// TestReorder: the order changes, the messages do not, and one seed gives one order.
func TestReorder(t *testing.T) {
	in := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	order := func(seed uint64) (got []string) {
		bubble(t, memory.Config{Seed: seed, Faults: memory.Faults{Reorder: memory.Rate(0.5)}},
			func(t *testing.T, q *memory.Queue) {
				publish(t, q, in...)
				got = ids(receive(t, open(t, q, len(in)), len(in)))
			})
		return got
	}
	first := order(1)
	require.ElementsMatch(t, in, first)
	require.NotEqual(t, in, first)
	require.Equal(t, first, order(1))
	require.NotEqual(t, first, order(2))
}

// TestRefuseOpen: so many times, or until it is switched off, with the given error or the default.
func TestRefuseOpen(t *testing.T) {
	down := errors.New("down")
	bubble(t, memory.Config{Faults: memory.Faults{RefuseOpen: memory.Times(2), RefuseError: down}},
		func(t *testing.T, q *memory.Queue) {
			for range 2 {
				_, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
				require.ErrorIs(t, err, down)
			}
			open(t, q, 1)
			q.SetFaults(memory.Faults{RefuseOpen: memory.Times(-1)})
			for range 100 {
				_, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
				require.ErrorIs(t, err, memory.ErrRefused)
			}
			q.SetFaults(memory.Faults{})
			open(t, q, 1)
		})
}

// TestFailSettle: a settlement that failed leaves everything held, and can be repeated.
func TestFailSettle(t *testing.T) {
	full := errors.New("disk full")
	bubble(t, memory.Config{Faults: memory.Faults{FailSettle: memory.Times(2), FailError: full}},
		func(t *testing.T, q *memory.Queue) {
			publish(t, q, "a", "b")
			s := open(t, q, 2)
			ds := receive(t, s, 2)
			for left := 1; left >= 0; left-- {
				var failed *queue.SettleError
				require.ErrorAs(t, s.Settle(t.Context(), all(queue.Ack, ds...)), &failed)
				require.Len(t, failed.Failed, 2)
				require.ErrorIs(t, failed, full)
				require.Equal(t, 2, q.Stats().Held)
				require.Equal(t, left, q.Faults().FailSettle.Times)
			}
			require.NoError(t, s.Settle(t.Context(), all(queue.Ack, ds...)))
			require.Equal(t, 4, q.Stats().Refused)
		})
}

// TestSilent: nothing arrives while it is on, in old sessions and new ones, and everything
// afterwards.
func TestSilent(t *testing.T) {
	bubble(t, memory.Config{Faults: memory.Faults{Silent: true}}, func(t *testing.T, q *memory.Queue) {
		publish(t, q, "a")
		s := open(t, q, 1)
		silent(t, s)
		time.AfterFunc(time.Minute, func() { q.SetFaults(memory.Faults{}) })
		start := time.Now()
		receive(t, s, 1)
		require.Equal(t, time.Minute, time.Since(start))
	})
}

// TestStall: a stalled session receives nothing more, but settles; the next one flows.
func TestStall(t *testing.T) {
	bubble(t, memory.Config{}, func(t *testing.T, q *memory.Queue) {
		publish(t, q, "a", "b")
		s := open(t, q, 2)
		ds := receive(t, s, 1)
		require.Equal(t, 1, q.Stall())
		silent(t, s)
		require.NoError(t, s.Settle(t.Context(), all(queue.Ack, ds...)))
		require.Equal(t, []string{"b"}, ids(receive(t, open(t, q, 1), 1)))
	})
}

// TestStallIntake: Resume mends it, and deliveries are kept.
func TestStallIntake(t *testing.T) {
	bubble(t, memory.Config{}, func(t *testing.T, q *memory.Queue) {
		publish(t, q, "a", "b")
		s := open(t, q, 2)
		ds := receive(t, s, 1)
		require.Equal(t, 1, q.StallIntake())
		silent(t, s)
		require.NoError(t, s.Cancel(t.Context()))
		_, err := s.Receive(t.Context())
		require.ErrorIs(t, err, queue.ErrCancelled)
		require.NoError(t, s.Resume(t.Context()))
		ds = append(ds, receive(t, s, 1)...)
		require.NoError(t, s.Settle(t.Context(), all(queue.Ack, ds...)))
	})
}

// TestStandby: a session on standby says why, and gets deliveries when it is over.
func TestStandby(t *testing.T) {
	bubble(t, memory.Config{Faults: memory.Faults{Standby: "paused"}}, func(t *testing.T, q *memory.Queue) {
		publish(t, q, "a")
		s := open(t, q, 1)
		silent(t, s)
		reason, err := s.(queue.Standby).Standby(t.Context())
		require.NoError(t, err)
		require.Equal(t, "paused", reason)
		q.SetFaults(memory.Faults{})
		receive(t, s, 1)
		reason, err = s.(queue.Standby).Standby(t.Context())
		require.NoError(t, err)
		require.Empty(t, reason)
	})
}

// TestBlockPublish: a blocked publisher waits for the alarm's end, its context's end or the
// queue's.
func TestBlockPublish(t *testing.T) {
	bubble(t, memory.Config{Faults: memory.Faults{BlockPublish: true}}, func(t *testing.T, q *memory.Queue) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var failed *queue.PublishError
		require.ErrorAs(t, q.Publish(ctx, queue.Message{ID: "a"}, queue.Message{ID: "b"}), &failed)
		require.ErrorIs(t, failed, context.DeadlineExceeded)
		require.ErrorContains(t, failed, `2 not confirmed: message "a"`)
		time.AfterFunc(time.Minute, func() { q.SetFaults(memory.Faults{}) })
		publish(t, q, "b")
		require.Equal(t, 1, q.Stats().Ready)
		q.SetFaults(memory.Faults{BlockPublish: true})
		time.AfterFunc(time.Minute, q.Close)
		require.ErrorIs(t, q.Publish(t.Context(), queue.Message{}), queue.ErrClosed)
	})
}

// TestSlow: each call takes its time, and honours its context meanwhile.
func TestSlow(t *testing.T) {
	slow := memory.Faults{
		SlowOpen: time.Second, SlowReceive: 2 * time.Second, SlowSettle: 3 * time.Second,
		SlowPublish: 4 * time.Second,
	}
	bubble(t, memory.Config{Faults: slow}, func(t *testing.T, q *memory.Queue) {
		start := time.Now()
		publish(t, q, "a")
		s := open(t, q, 1)
		ds := receive(t, s, 1)
		require.NoError(t, s.Settle(t.Context(), all(queue.Ack, ds...)))
		require.Equal(t, 10*time.Second, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := q.Open(ctx, queue.Options{Prefetch: 1})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = s.Receive(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, q.Publish(ctx, queue.Message{}), context.DeadlineExceeded)
		var failed *queue.SettleError
		require.ErrorAs(t, s.Settle(ctx, all(queue.Ack, ds...)), &failed)
		require.ErrorIs(t, failed, context.DeadlineExceeded)
	})
}

// TestLate: deliveries that are on their way when Cancel is called still arrive, as far as messages
// wait and slots are free.
func TestLate(t *testing.T) {
	for name, tc := range map[string]struct{ late, messages, prefetch, want int }{
		"none":          {0, 4, 3, 0},
		"all":           {2, 4, 3, 2},
		"free slots":    {9, 4, 3, 3},
		"messages":      {9, 2, 3, 2},
		"nothing waits": {9, 0, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, memory.Config{Faults: memory.Faults{Late: tc.late}}, func(t *testing.T, q *memory.Queue) {
				require.NoError(t, q.Publish(t.Context(), make([]queue.Message, tc.messages)...))
				s := open(t, q, tc.prefetch)
				require.NoError(t, s.Cancel(t.Context()))
				ds := receive(t, s, tc.want)
				_, err := s.Receive(t.Context())
				require.ErrorIs(t, err, queue.ErrCancelled)
				require.NoError(t, s.Settle(t.Context(), all(queue.Release, ds...)))
				_, err = s.Receive(t.Context())
				require.ErrorIs(t, err, queue.ErrCancelled, "a free slot brings no more")
			})
		})
	}
}

// TestLateIsTaken: a delivery that was on its way to a cancelled session, and went to another one,
// is not waited for.
func TestLateIsTaken(t *testing.T) {
	bubble(t, memory.Config{Faults: memory.Faults{Late: 1}}, func(t *testing.T, q *memory.Queue) {
		publish(t, q, "a")
		s, other := open(t, q, 1), open(t, q, 1)
		require.NoError(t, s.Cancel(t.Context()))
		receive(t, other, 1)
		_, err := s.Receive(t.Context())
		require.ErrorIs(t, err, queue.ErrCancelled)
	})
}
