package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

// holders checks that the messages of a group are held by one session at a time, in order.
type holders struct {
	mu    sync.Mutex
	group map[string]*holder
	done  int
}

// holder is the session that holds messages of a group.
type holder struct {
	session int
	held    int
	next    int // the number of the next message, unless one comes again
}

// take notes a delivery before it is settled. It returns an error if the order is broken.
func (h *holders) take(session int, d *queue.Delivery) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	name := d.Headers[postgres.HeaderGroup]
	if name == "" {
		return nil
	}
	g := h.group[name]
	if g == nil {
		g = &holder{next: 1}
		h.group[name] = g
	}
	var n int
	if _, err := fmt.Sscan(d.ID, &n); err != nil {
		return err
	}
	switch {
	case g.held > 0 && g.session != session:
		return fmt.Errorf("group %q: session %d gets %d while session %d holds %d", name, session, n, g.session, g.held)
	case n != g.next:
		return fmt.Errorf("group %q: session %d gets %d, the next is %d", name, session, n, g.next)
	}
	g.session, g.held, g.next = session, g.held+1, n+1
	return nil
}

// settle notes a settlement before it is made: of the last n that are held, if they go back.
func (h *holders) settle(d *queue.Delivery, back bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done += map[bool]int{false: 1}[back]
	if g := h.group[d.Headers[postgres.HeaderGroup]]; g != nil {
		g.held--
		if back {
			g.next--
		}
	}
}

// TestInOrder: of each group one session holds messages at a time, in their order, also while
// sessions give back what they hold, and are opened and closed. Messages without a group go to all.
func TestInOrder(t *testing.T) {
	const sessions, groups, each = 4, 6, 50
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cfg := postgres.Config{Schema: newSchema(t), Lease: time.Minute} // no session is lost
	q := newBroker(t, url(), cfg).Queue("q").InOrder()
	h := &holders{group: map[string]*holder{}}
	var wg sync.WaitGroup
	finished := make(chan struct{})
	for n := range sessions {
		wg.Go(func() { consumeInOrder(t, ctx, q, h, n, finished) })
	}
	for i := range each {
		var msgs []queue.Message
		for g := range groups {
			m := queue.Message{ID: fmt.Sprint(i + 1)}
			if g > 0 {
				m.Headers = map[string]string{postgres.HeaderGroup: fmt.Sprint("group ", g)}
			}
			msgs = append(msgs, m)
		}
		require.NoError(t, q.Publish(ctx, msgs...))
	}
	require.Eventually(t, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.done == groups*each || t.Failed()
	}, time.Minute, 10*time.Millisecond)
	close(finished)
	wg.Wait()
}

// consumeInOrder acknowledges messages, sometimes gives all back that it holds, the last first, and
// sometimes starts over with a new session.
func consumeInOrder(t *testing.T, ctx context.Context, q *postgres.Queue, h *holders, n int, finished chan struct{}) {
	rng := rand.New(rand.NewPCG(7, uint64(n)))
	var s queue.Session
	var held []*queue.Delivery
	for {
		select {
		case <-finished:
			if s != nil {
				check(t, s.Close(ctx))
			}
			return
		default:
		}
		if s == nil {
			var err error
			if s, err = q.Open(ctx, queue.Options{Prefetch: 1 + rng.IntN(20)}); !check(t, err) {
				return
			}
		}
		wait, stop := context.WithTimeout(ctx, time.Duration(rng.IntN(20))*time.Millisecond)
		d, err := s.Receive(wait)
		stop()
		if err == nil {
			if !check(t, h.take(n, d)) {
				return
			}
			held = append(held, d)
		}
		switch {
		case len(held) > 0 && rng.IntN(3) == 0:
			h.settle(held[0], false)
			check(t, s.Settle(ctx, []queue.Settlement{{Delivery: held[0], Disposition: queue.Ack}}))
			held = held[1:]
		case rng.IntN(40) == 0:
			if held = giveBackAll(t, ctx, s, h, n, held, rng); t.Failed() {
				return
			}
			if rng.IntN(2) == 0 {
				check(t, s.Close(ctx))
				s = nil
			} else {
				check(t, s.Resume(ctx))
			}
		}
	}
}

// giveBackAll gives back what a session holds, the last first, after what was on its way.
func giveBackAll(t *testing.T, ctx context.Context, s queue.Session, h *holders, n int, held []*queue.Delivery,
	rng *rand.Rand,
) []*queue.Delivery {
	check(t, s.Cancel(ctx))
	for {
		d, err := s.Receive(ctx)
		if errors.Is(err, queue.ErrCancelled) {
			break
		}
		if !check(t, err) || !check(t, h.take(n, d)) {
			return nil
		}
		held = append(held, d)
	}
	for _, d := range slices.Backward(held) {
		h.settle(d, true)
		back := queue.Settlement{Delivery: d, Disposition: queue.Release}
		if rng.IntN(3) == 0 { // it holds up the others
			back.Disposition, back.After = queue.Requeue, time.Duration(rng.IntN(20))*time.Millisecond
		}
		check(t, s.Settle(ctx, []queue.Settlement{back}))
	}
	return nil
}

// check fails the test from any goroutine.
func check(t *testing.T, err error) bool {
	if err != nil {
		t.Error(err)
	}
	return err == nil
}
