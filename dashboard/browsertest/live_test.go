package browsertest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/dashboard"
	"github.com/gentask/gentask/queue"
)

// TestLive: what happens in the fleet is on the open page within moments, and the page is not
// loaded again for it.
func TestLive(t *testing.T) {
	t.Parallel()
	s := openShop(t, inMemory(t))
	for _, url := range []string{s.url, s.queuePage()} {
		t.Run(kind(t, url), func(t *testing.T) {
			p := newTab(t)
			p.visit(url)
			eval[bool](p, "window.mine = true")
			stats, err := s.orders.Inspect(t.Context())
			require.NoError(t, err)
			more := 1234 - stats.DeadLettered
			s.publish("fail", more)
			p.until("the page counts the letters", `/1[,.  \u2009\u202f']?234/.test(document.querySelector('main').innerText)`)
			require.True(t, eval[bool](p, "mine"), "the page was loaded again")
			_, err = s.orders.Letters().Purge(within(t), queue.LetterFilter{})
			require.NoError(t, err)
			p.until("the letters are gone", `!/1[,.  \u2009\u202f']?234/.test(document.querySelector('main').innerText)`)
		})
	}
}

// counted is a queue that counts what it is asked.
type counted struct {
	work
	inspected *atomic.Int64
}

func (q counted) Inspect(ctx context.Context) (queue.Stats, error) {
	q.inspected.Add(1)
	return q.work.Inspect(ctx)
}

// TestManyLook: while three readers look at a queue with many jobs, its broker is asked once a
// second at most.
func TestManyLook(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := openShop(t, inMemory(t), func(c *dashboard.Config) { c.Queues[0] = counted{c.Queues[0].(work), &asked} })
	stop := s.busy(1000)
	tabs := []*tab{newTab(t), newTab(t), newTab(t)}
	start, before := time.Now(), asked.Load()
	for _, p := range tabs {
		p.visit(s.queuePage())
	}
	for range 2 {
		for _, p := range tabs {
			p.until("a number changes", fmt.Sprintf("%s !== '%s'", numbers, eval[string](p, numbers)))
		}
	}
	n, took := asked.Load()-before, time.Since(start)
	t.Logf("asked %d times in %v", n, took)
	require.LessOrEqual(t, float64(n), took.Seconds()+2)
	require.Positive(t, n)
	stop()
}

// busy publishes so many jobs a second until the function is called that it returns.
func (s *shop) busy(perSecond int) (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	ended, body := make(chan struct{}), task{Do: "ack"}.body(s.t)
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			msgs := make([]queue.Message, perSecond/50)
			for i := range msgs {
				msgs[i].Body = body
			}
			_ = s.orders.Publish(ctx, msgs...) // it fails at the end
		}
	}()
	stop = func() {
		cancel()
		<-ended
	}
	s.t.Cleanup(stop)
	return stop
}

// TestHold: the link that holds a page ends its stream, and the one that makes it live again leads
// back. A page without a stream has neither.
func TestHold(t *testing.T) {
	t.Parallel()
	s := openBusyShop(t)
	p := newTab(t)
	const streams, toggles = `document.querySelectorAll('[sse-connect]').length`, `[...document.querySelectorAll('a.live')].map(a => a.href)`
	for _, at := range []string{s.queuePage(), s.url + "plans"} {
		p.visit(at)
		require.Equal(t, 1, eval[int](p, streams), at)
		p.visit(eval[[]string](p, toggles)[0])
		require.Zero(t, eval[int](p, streams), at)
		p.visit(eval[[]string](p, toggles)[0])
		require.Equal(t, 1, eval[int](p, streams), at)
	}
	p.visit(s.url + "letters?" + s.query())
	p.follow(`main a[href^="letter?"]`)
	require.Zero(t, eval[int](p, streams))
	require.Empty(t, eval[[]string](p, toggles))
}
