package link

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// Link is one session and the goroutines that wait on it. E identifies a settlement to the caller;
// it is a pointer as a rule. Make one with [Open]. Its methods are safe for concurrent use, and
// don't block, but for Abort.
type Link[E any] struct {
	cfg     Config[E]
	ctx     context.Context //nolint:containedctx // of the goroutines of the link
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	acks    *lane[E]    // settlements that are one write
	copies  *lane[E]    // settlements that publish a copy first
	pushed  atomic.Bool // to a lane, and not flushed
	resumed chan struct{}
	owed    owed

	mu      sync.Mutex
	session queue.Session
	closed  bool
}

// Open returns a link that opens a session. It sends [Opened], and then calls [Config.Deliver] with
// each delivery; or it sends [Broken]. In both cases it must be closed.
func Open[E any](cfg Config[E]) *Link[E] {
	l := &Link[E]{cfg: cfg, resumed: make(chan struct{}, 1)}
	l.acks, l.copies = newLane(l), newLane(l)
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.owed.add(opening, cfg.OpenTimeout)
	l.work(func() {
		if l.open() {
			l.receive()
		}
	})
	return l
}

// Prefetch returns the most unsettled deliveries that the session may hold.
func (l *Link[E]) Prefetch() int { return l.cfg.Options.Prefetch }

// work runs f in a goroutine of the link. The driver may be user code: if it panics, or calls
// runtime.Goexit, the session is broken.
func (l *Link[E]) work(f func()) {
	l.wg.Go(func() {
		returned := false
		defer func() {
			if reason := actor.Recovered(recover(), returned); reason != nil {
				l.broken(fmt.Errorf("gentask: driver: %w", reason))
			}
		}()
		f()
		returned = true
	})
}

func (l *Link[E]) broken(err error) { l.cfg.Send(&Broken[E]{From: l, Err: guard.Seal(err)}) }

// open reports whether there is a session. An error is sent even if the link is closed: after
// CloseUnopened the caller may want to report why there never was a session.
func (l *Link[E]) open() bool {
	ctx, cancel := context.WithTimeout(l.ctx, l.cfg.OpenTimeout)
	defer cancel()
	session, err := l.cfg.Source.Open(ctx, l.cfg.Options)
	l.owed.paid(opening)
	if err == nil && session == nil {
		err = ErrNoSession
	}
	if err != nil {
		l.broken(err)
		return false
	}
	if !l.adopt(session) {
		// Nothing else refers to this session: it would keep its prefetch for ever.
		l.closeSession(session, CloseTimeout)
		return false
	}
	l.work(func() { l.settleAll(l.acks) })
	l.work(func() { l.settleAll(l.copies) })
	l.cfg.Send(&Opened[E]{From: l})
	return true
}

// adopt keeps the session, unless the link was closed meanwhile.
func (l *Link[E]) adopt(session queue.Session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.session = session
	return true
}

func (l *Link[E]) receive() {
	for {
		d, err := l.session.Receive(l.ctx)
		err = guard.Seal(err)
		switch {
		case l.ctx.Err() != nil:
			return // closed: nothing of the session counts any more
		case err == nil && d == nil:
			l.broken(ErrNoDelivery)
			return
		case err == nil:
			l.cfg.Deliver(l, d)
		case guard.Is(err, queue.ErrCancelled):
			l.owed.paid(turning)
			l.cfg.Send(&Drained[E]{From: l})
			select {
			case <-l.resumed:
			case <-l.ctx.Done():
				return
			}
		default:
			l.broken(err)
			return
		}
	}
}

// Settle keeps a settlement for the session until [Link.Flush]. [Settled] has the answer, for e and
// for others that were settled with it. Acknowledgements don't wait for other settlements. After
// Close it has no effect.
func (l *Link[E]) Settle(e E, s queue.Settlement) {
	lane := l.copies
	if s.Disposition == queue.Ack {
		lane = l.acks
	}
	lane.push(e, s)
	l.pushed.Store(true)
}

// Flush passes the settlements since the last call to the session. The caller calls it when it has
// no more of them for now. So those of one step are never in two batches, however the goroutines
// run; a batch may have those of several steps.
func (l *Link[E]) Flush() {
	if !l.pushed.Swap(false) {
		return
	}
	l.acks.flush()
	l.copies.flush()
}

func (l *Link[E]) settleAll(lane *lane[E]) {
	for {
		m := lane.take(l.ctx)
		if m == nil {
			return
		}
		err := l.session.Settle(lane.begin(l.ctx, len(m.Settlements)), m.Settlements)
		m.Late = lane.end()
		if l.ctx.Err() != nil {
			return
		}
		m.Answer = answerOf(err)
		if m.Late {
			m.cut(m.Settlements)
		}
		l.cfg.Send(m)
	}
}

// Hurry ends the context of a call of Session.Settle that takes too long. It reports whether the
// driver owes an answer that it should have given [DriverGrace] after the end of its context. That
// is the session, the answer to a settlement, or the end of a cancel, a resume, a return or a call
// about suspects. It should be called regularly. It returns false after Close.
func (l *Link[E]) Hurry(now time.Time) (overdue bool) {
	if l.ctx.Err() != nil {
		return false
	}
	acks, copies := l.acks.hurry(now), l.copies.hurry(now)
	return acks || copies || l.owed.overdue(now)
}
