package link

import (
	"context"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
)

// lane is a queue of settlements. Those that are pushed and flushed while a batch is being settled
// are the next batch. A batch is a message that is sent afterwards, and used again once it was
// recycled.
type lane[E any] struct {
	from *Link[E]

	mu    sync.Mutex
	next  *Settled[E] // nil if nothing was pushed since the last take
	whole bool        // next may be taken: nothing was pushed since the last flush
	spare []*Settled[E]
	ready chan struct{} // capacity 1
	call  call
}

func newLane[E any](from *Link[E]) *lane[E] {
	return &lane[E]{from: from, ready: make(chan struct{}, 1)}
}

func (q *lane[E]) push(e E, s queue.Settlement) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next == nil {
		q.next = q.empty()
	}
	q.next.Entries = append(q.next.Entries, e)
	q.next.Settlements = append(q.next.Settlements, s)
	q.whole = false
}

// empty returns a batch without settlements, a spare one if there is one. The mutex is held.
func (q *lane[E]) empty() *Settled[E] {
	last := len(q.spare) - 1
	if last < 0 {
		return &Settled[E]{From: q.from, lane: q}
	}
	batch := q.spare[last]
	q.spare[last] = nil
	q.spare = q.spare[:last]
	return batch
}

// flush makes what was pushed a batch, and wakes take.
func (q *lane[E]) flush() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next == nil {
		return
	}
	q.whole = true
	select {
	case q.ready <- struct{}{}:
	default: // it has been woken already
	}
}

// take waits for a batch. It returns nil when ctx has ended and there is none.
func (q *lane[E]) take(ctx context.Context) *Settled[E] {
	for {
		if batch := q.takeWhole(); batch != nil {
			return batch
		}
		select {
		case <-q.ready:
		case <-ctx.Done():
			return nil
		}
	}
}

func (q *lane[E]) takeWhole() (batch *Settled[E]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.whole {
		batch, q.next, q.whole = q.next, nil, false
	}
	return batch
}

func (q *lane[E]) recycle(m *Settled[E]) {
	clear(m.Entries)
	clear(m.Settlements)
	*m = Settled[E]{From: q.from, Entries: m.Entries[:0], Settlements: m.Settlements[:0], lane: q}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.spare) < mostSpare {
		q.spare = append(q.spare, m)
	}
}

// mostSpare is how many batches a lane keeps to use them again. While one is pushed and one is
// settled, some wait for their owner.
const mostSpare = 4

// call is the call of Session.Settle for one batch. Its context lasts for many calls, and is made
// again only after it was cut, so that a call costs no allocation. It ends with the link.
type call struct {
	ctx   context.Context //nolint:containedctx // of the calls, whose arguments go through a lane
	cut   context.CancelCauseFunc
	since time.Time // zero while there is no call
	limit time.Duration
	late  bool // the context was cut
}

// begin returns the context for a call with n settlements.
func (q *lane[E]) begin(parent context.Context, n int) context.Context {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := &q.call
	if c.ctx == nil || c.late {
		c.ctx, c.cut = context.WithCancelCause(parent)
		c.late = false
	}
	c.since, c.limit = time.Now(), SettleTimeout+time.Duration(n)*SettleEach
	return c.ctx
}

// end ends the call, and reports whether it was cut.
func (q *lane[E]) end() (late bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.call.since = time.Time{}
	return q.call.late
}

// hurry cuts a call that takes too long, and reports whether the driver has not returned even then.
func (q *lane[E]) hurry(now time.Time) (overdue bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := &q.call
	if c.since.IsZero() || now.Sub(c.since) < c.limit {
		return false
	}
	if !c.late {
		c.late = true
		c.cut(ErrSettleTimeout)
	}
	return now.Sub(c.since) > c.limit+DriverGrace
}
