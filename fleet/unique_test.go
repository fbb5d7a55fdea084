package fleet_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/schedule"
)

// plain is a publisher that compares no keys, as RabbitMQ's.
type plain struct {
	mu        sync.Mutex
	published map[string]int // by ID
	keys      int
}

// Publish implements queue.Publisher.
func (p *plain) Publish(_ context.Context, msgs ...queue.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range msgs {
		p.published[m.ID]++
		if m.UniqueKey != "" {
			p.keys++
		}
	}
	return nil
}

// TestUnique_SchedulesOverAnyBroker: nodes with the same plans publish each planned time once, over
// a publisher that compares no keys. While nodes are cut off at random, none is left out.
func TestUnique_SchedulesOverAnyBroker(t *testing.T) {
	for _, cuts := range []bool{false, true} {
		t.Run(fmt.Sprintf("cuts %v", cuts), func(t *testing.T) {
			bubble(t, func(w *world) {
				p := &plain{published: map[string]int{}}
				ctx, cancel := context.WithCancel(w.Context())
				var all sync.WaitGroup
				for i := range 4 {
					m := w.add(fleet.Config{Node: fmt.Sprint(i)}, sleeping(0), gentask.Config{})
					u, err := m.Unique("ticks", p, time.Minute)
					require.NoError(w, err)
					all.Go(func() {
						plans := []schedule.Plan{{Name: "tick", Cron: "* * * * * *"}}
						require.NoError(w, schedule.Run(ctx, u, schedule.Config{Plans: plans, Logger: slog.New(slog.DiscardHandler)}))
					})
				}
				begun := time.Now()
				r := rand.New(rand.NewPCG(1, 2))
				for time.Since(begun) < 2*time.Minute {
					m := w.nodes[1+r.IntN(3)] // one node is always there
					if cuts {
						m.line.Cut()
					}
					time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
					m.line.Restore()
				}
				time.Sleep(10 * time.Second)
				cancel()
				all.Wait()
				require.Zero(w, p.keys, "a broker that compares none may refuse them")
				twice := 0
				for at := begun.Truncate(time.Second).Add(2 * time.Second); at.Before(begun.Add(2 * time.Minute)); at = at.Add(time.Second) {
					n := p.published["tick@"+at.UTC().Format(time.RFC3339)]
					require.Positive(w, n, "%v is left out", at)
					twice += n - 1
				}
				if cuts {
					require.LessOrEqual(w, twice, 5, "a firing is repeated only if its node was cut off in the midst of it")
				} else {
					require.Zero(w, twice)
				}
			})
		})
	}
}

// TestUnique_UntilDone: a message whose key is taken until it is done is the publisher's to
// compare, and the store remembers nothing of it.
func TestUnique_UntilDone(t *testing.T) {
	bubble(t, func(w *world) {
		q := memory.New(memory.Config{})
		defer q.Close()
		m := w.add(fleet.Config{}, sleeping(0), gentask.Config{})
		u, err := m.Unique("q", q, time.Minute)
		require.NoError(w, err)
		msg := queue.Message{ID: "1", UniqueKey: "k", UniqueUntil: queue.UntilDone}
		s, err := q.Open(w.Context(), queue.Options{Prefetch: 1})
		require.NoError(w, err)
		for range 2 {
			results, err := u.PublishResults(w.Context(), msg, msg)
			require.NoError(w, err)
			require.Equal(w, []queue.PublishResult{{ID: "1"}, {ID: "1", Duplicate: true}}, results)
			d, err := s.Receive(w.Context())
			require.NoError(w, err)
			require.NoError(w, s.Settle(w.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}))
		}
	})
}

// TestUnique_ReportsDuplicates, and remembers a key for its window.
func TestUnique_ReportsDuplicates(t *testing.T) {
	bubble(t, func(w *world) {
		p := &plain{published: map[string]int{}}
		m := w.add(fleet.Config{}, sleeping(0), gentask.Config{})
		u, err := m.Unique("q", p, time.Minute)
		require.NoError(w, err)
		other, err := m.Unique("another", p, time.Minute)
		require.NoError(w, err)
		msg := queue.Message{ID: "1", UniqueKey: "k"}
		results, err := u.PublishResults(w.Context(), msg, queue.Message{ID: "2"}, msg)
		require.NoError(w, err)
		require.Equal(w, []queue.PublishResult{{ID: "1"}, {ID: "2"}, {ID: "1", Duplicate: true}}, results)
		require.NoError(w, other.Publish(w.Context(), msg))
		require.Equal(w, 2, p.published["1"])
		time.Sleep(50 * time.Second)
		require.NoError(w, u.Publish(w.Context(), msg))
		require.Equal(w, 2, p.published["1"])
		time.Sleep(15 * time.Second)
		require.NoError(w, u.Publish(w.Context(), msg))
		require.Equal(w, 3, p.published["1"])
		m.line.Cut()
		require.ErrorIs(w, u.Publish(w.Context(), queue.Message{UniqueKey: "new"}), queue.ErrUnavailable)
		_, err = m.Unique("q", p, 0)
		require.ErrorIs(w, err, queue.ErrConfig)
	})
}
