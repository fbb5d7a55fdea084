package gentask

import (
	"context"
	"errors"
	"time"
)

const (
	// settleTime is how long the driver may take for a batch of settlements, and settleEach for each of it besides. Then
	// its context ends, and what is not certain yet fails.
	settleTime = 10 * time.Second
	settleEach = 5 * time.Millisecond
)

// ErrSettleTimeout is the reason of a settlement that the driver did not answer for 10 s, for example because the broker blocks publishers.
var ErrSettleTimeout = errors.New("gentask: no answer to the settlement")

// call is the driver's call for one batch of a lane. Its context lasts for many calls: it is made again only after it was cut, so that
// a call costs no allocation.
type call struct {
	ctx    context.Context //nolint:containedctx // of the calls, whose arguments go through a lane
	cut    context.CancelCauseFunc
	since  time.Time // zero while there is none
	limit  time.Duration
	cutoff bool // the context has been cut
}

// begin returns the context for a call with n settlements.
func (q *lane) begin(parent context.Context, n int) context.Context {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := &q.call
	if c.ctx == nil || c.cutoff {
		c.ctx, c.cut = context.WithCancelCause(parent)
		c.cutoff = false
	}
	c.since, c.limit = time.Now(), settleTime+time.Duration(n)*settleEach
	return c.ctx
}

// end ends the call, and reports whether it was cut.
func (q *lane) end() (late bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.call.since = time.Time{}
	return q.call.cutoff
}

// hurry cuts a call that takes too long, and reports whether even that has been of no use.
func (q *lane) hurry(now time.Time) (stuck bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := &q.call
	if c.since.IsZero() || now.Sub(c.since) < c.limit {
		return false
	}
	if !c.cutoff {
		c.cutoff = true
		c.cut(ErrSettleTimeout)
	}
	return now.Sub(c.since) > c.limit+driverGrace
}

// release ends the context, for good.
func (q *lane) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.call.cut != nil {
		q.call.cut(nil)
	}
}
