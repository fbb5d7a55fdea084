package memory

import (
	"context"
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// TestCheckFinds: a journal that was tampered with is inconsistent, each in its own way.
func TestCheckFinds(t *testing.T) {
	for name, tamper := range map[string]func(q *Queue, s *session, d *queue.Delivery){
		"a lost message":         func(q *Queue, _ *session, _ *queue.Delivery) { q.ready.popFront() },
		"a message from nowhere": func(q *Queue, _ *session, _ *queue.Delivery) { q.ready.pushBack(item{attempt: 1}) },
		"a forgotten delivery":   func(_ *Queue, s *session, d *queue.Delivery) { s.release(d.Tag) },
		"an exchanged message":   func(q *Queue, _ *session, _ *queue.Delivery) { q.ready.at(0).ID = "other" },
		"a count":                func(q *Queue, _ *session, _ *queue.Delivery) { q.stats.Acked++ },
		"more than the prefetch": func(q *Queue, s *session, _ *queue.Delivery) { s.handOut(q.take()) },
		"a session that is over": func(q *Queue, s *session, _ *queue.Delivery) { s.lose(); s.handOut(q.take()) },
		"a return from a session": func(q *Queue, s *session, d *queue.Delivery) {
			q.note(Entry{Op: Returned, Session: 1, Tag: 1, ID: d.ID})
		},
		"settled twice": func(q *Queue, s *session, d *queue.Delivery) {
			q.note(Entry{Op: Settled, Session: s.number, Tag: d.Tag, ID: d.ID, Disposition: queue.Ack})
			q.note(Entry{Op: Settled, Session: s.number, Tag: d.Tag, ID: d.ID, Disposition: queue.Ack})
		},
		"settled in another session": func(q *Queue, s *session, d *queue.Delivery) {
			q.start(queue.Options{Prefetch: 1})
			q.note(Entry{Op: Settled, Session: 2, Tag: d.Tag, ID: d.ID, Disposition: queue.Requeue})
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			q := New(Config{Journal: true})
			require.NoError(t, q.Publish(ctx, make([]queue.Message, 5)...))
			opened, err := q.Open(ctx, queue.Options{Prefetch: 1})
			require.NoError(t, err)
			d, err := opened.Receive(ctx)
			require.NoError(t, err)
			require.NoError(t, q.Check())
			tamper(q, opened.(*session), d)
			require.ErrorIs(t, q.Check(), ErrBooks)
		})
	}
}
