package gentask

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// link is the consumer's link to one session: the goroutines that wait on the broker, so that the actor never does. One opens the session
// and receives, two settle. A link is used once: when its session is over, the consumer makes the next.
type link struct {
	incarnation *incarnation
	cfg         *settings
	tell        func(message) // posts a message to the consumer
	ctx         context.Context
	cancel      context.CancelFunc
	wg          sync.WaitGroup
	acks        lane // settlements that are one write
	copies      lane // settlements that publish a copy first; a broker that blocks publishers must not hold up acks
	resumed     chan struct{}
	goodbye     time.Duration // how long the session may take to be closed

	prefetch int // of the session

	mu      sync.Mutex
	session queue.Session
	closed  bool
}

// Messages from a link to the consumer.
type (
	// opened says that deliveries flow.
	opened struct{ link *link }
	// dried says that nothing more comes after a cancel.
	dried struct{ link *link }
	// flowing says that deliveries flow again after that.
	flowing struct{ link *link }
	// broken says that the link's session is over, or could not be opened.
	broken struct {
		link *link
		err  error
	}
	// settled says what became of a batch of settlements.
	settled struct {
		link *link
		lane *lane
		batch
		settling
		late bool // the call was cut
	}
	// gaveBack says what became of a batch of returns.
	gaveBack struct {
		link *link
		batch
		settling
		unable bool // the driver can't
	}
	// backlogCounted says how many messages wait at the broker; err if it can't be told.
	backlogCounted struct {
		link    *link
		asked   time.Time
		waiting int
		err     error
	}
	// shut says that the session is closed, and that the link's goroutines are gone.
	shut struct{ link *link }
)

func (*opened) toLedger()         {}
func (*dried) toLedger()          {}
func (*flowing) toLedger()        {}
func (*broken) toLedger()         {}
func (*settled) toLedger()        {}
func (*gaveBack) toLedger()       {}
func (*backlogCounted) toLedger() {}
func (*shut) toLedger()           {}

const (
	// closeTimeout bounds how long a session may take to be closed.
	closeTimeout = 5 * time.Second

	// driverGrace is how long a driver may take to return when its context has ended. Then it is taken for one that never will.
	driverGrace = 5 * time.Second
)

// openLink starts to open a session; the consumer hears opened or broken.
func openLink(source queue.Source, b *incarnation, cfg *settings, prefetch int) *link {
	l := &link{incarnation: b, cfg: cfg, prefetch: prefetch, tell: b.tell, resumed: make(chan struct{}, 1), goodbye: closeTimeout}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.acks.ready, l.copies.ready = make(chan struct{}, 1), make(chan struct{}, 1)
	l.work(func() {
		if l.open(source) {
			l.receive()
		}
	})
	return l
}

// work runs f in a goroutine of the link's. The driver may be the user's own: if it panics, or calls runtime.Goexit, the session is broken.
func (l *link) work(f func()) {
	l.wg.Go(func() {
		returned := false
		defer func() {
			if reason := actor.Recovered(recover(), returned); reason != nil {
				l.tell(&broken{link: l, err: fmt.Errorf("gentask: driver: %w", reason)})
			}
		}()
		f()
		returned = true
	})
}

func (l *link) open(source queue.Source) bool {
	ctx, cancel := context.WithTimeout(l.ctx, l.cfg.OpenTimeout)
	defer cancel()
	opts := l.cfg.sessionOptions()
	opts.Prefetch = l.prefetch
	session, err := source.Open(ctx, opts)
	if err != nil {
		l.tell(&broken{link: l, err: guard.Seal(err)})
		return false
	}
	if !l.adopt(session) {
		// Closed meanwhile: a session that nobody knows of would hold its prefetch for ever.
		l.closeSession(session, closeTimeout)
		return false
	}
	l.work(func() { l.settleAll(&l.acks) })
	l.work(func() { l.settleAll(&l.copies) })
	l.tell(&opened{link: l})
	return true
}

func (l *link) adopt(session queue.Session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.session = session
	return true
}

// errNoDelivery ends the session of a driver that breaks its contract.
var errNoDelivery = errors.New("gentask: Session.Receive returned neither a delivery nor an error")

func (l *link) receive() {
	for {
		d, err := l.session.Receive(l.ctx)
		err = guard.Seal(err)
		switch {
		case err == nil && d == nil:
			l.tell(&broken{link: l, err: errNoDelivery})
			return
		case err == nil:
			e := newEntry(d, l, l.incarnation, l.cfg)
			l.tell((*delivered)(e))
		case guard.Is(err, queue.ErrCancelled):
			l.tell(&dried{link: l})
			select {
			case <-l.resumed:
			case <-l.ctx.Done():
				return
			}
		default:
			if l.ctx.Err() == nil {
				l.tell(&broken{link: l, err: err})
			}
			return
		}
	}
}

// settle passes the settlement of an entry on, and doesn't block.
func (l *link) settle(e *entry) {
	switch s := e.settlement(); s.Disposition {
	case queue.Ack:
		l.acks.push(e, s)
	case queue.Requeue, queue.Release, queue.DeadLetter:
		l.copies.push(e, s)
	}
}

func (l *link) settleAll(lane *lane) {
	defer lane.release()
	for {
		b := lane.take(l.ctx)
		if b.len() == 0 {
			return
		}
		err := l.session.Settle(lane.begin(l.ctx, b.len()), b.settlements)
		late := lane.end()
		if l.ctx.Err() != nil {
			return
		}
		answer := settlingOf(err)
		if late {
			answer.perhaps(b.settlements)
		}
		l.tell(&settled{link: l, lane: lane, batch: b, settling: answer, late: late})
	}
}

// control asks something of the session, without blocking the consumer; a session that can't is broken.
func (l *link) control(ask func(queue.Session, context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.work(func() {
		ctx, cancel := context.WithTimeout(l.ctx, closeTimeout)
		defer cancel()
		if err := ask(l.session, ctx); err != nil && l.ctx.Err() == nil {
			l.tell(&broken{link: l, err: guard.Seal(err)})
		}
	})
}

// cancelIntake has the broker send no more; the consumer hears dried.
func (l *link) cancelIntake() {
	l.control(func(s queue.Session, ctx context.Context) error { return s.Cancel(ctx) })
}

// resumeIntake undoes cancelIntake, once dried was heard; the consumer hears flowing.
func (l *link) resumeIntake() {
	l.control(func(s queue.Session, ctx context.Context) error {
		if err := s.Resume(ctx); err != nil {
			return err
		}
		l.tell(&flowing{link: l}) // before the first delivery
		l.resumed <- struct{}{}   // Buffered: the receiver takes it when it is back from telling dried.
		return nil
	})
}

// crashed reports whether err is a panic or a Goexit.
func crashed(err error) bool {
	_, panicked := guard.As[*actor.PanicError](err)
	return panicked || guard.Is(err, actor.ErrGoexit)
}

// askBacklog asks what waits at the broker; the consumer hears backlogCounted.
func (l *link) askBacklog(g queue.BacklogReporter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.work(func() {
		asked := time.Now()
		n, err := guard.Call(l.ctx, l.cfg.hooks.waiting, g.Backlog)
		if crashed(err) {
			l.tell(&broken{link: l, err: fmt.Errorf("gentask: driver: %w", err)})
			return
		}
		l.tell(&backlogCounted{link: l, asked: asked, waiting: n, err: err})
	})
}

// shut ends the link; the consumer hears shut when the session is closed. Further calls do nothing.
func (l *link) shut() {
	if l.begin() {
		l.finishLater()
	}
}

// shutUnopened is shut for a link that has no session yet. One that has, and has yet to tell, is left alone: what it brings must be given back.
func (l *link) shutUnopened() {
	l.mu.Lock()
	unopened := !l.closed && l.session == nil
	l.closed = l.closed || unopened
	l.mu.Unlock()
	if unopened {
		l.finishLater()
	}
}

func (l *link) finishLater() {
	go func() {
		l.finish()
		l.tell(&shut{link: l})
	}()
}

// abort ends the link and waits until the session is closed, for a consumer that is about to end.
func (l *link) abort() {
	if l.begin() {
		l.finish()
	}
}

func (l *link) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := !l.closed
	l.closed = true
	return first
}

// finish closes the session, and returns when the link's goroutines are gone, or the driver has kept one for too long. Whatever that still says is
// stale.
func (l *link) finish() {
	l.cancel()
	gone, left := make(chan struct{}), atomic.Bool{}
	go func() {
		defer close(gone)
		l.mu.Lock()
		session := l.session
		l.mu.Unlock()
		if session != nil {
			l.closeSession(session, l.goodbye)
		}
		l.wg.Wait()
		if left.Swap(true) {
			l.cfg.hooks.driving.CountReturned()
		}
	}()
	limit := time.NewTimer(l.goodbye + driverGrace)
	defer limit.Stop()
	select {
	case <-gone:
	case <-limit.C:
		if !left.Swap(true) {
			l.cfg.hooks.driving.CountHung()
		}
		l.cfg.Logger.Error("gentask: driver does not return, session left behind", "consumer", l.cfg.Name)
		l.incarnation.instance.emit(Event{Kind: EventDriverStuck})
	}
}

// closeSession returns when the broker has let go or the time is over; the driver has cut the connection then, and the error tells nothing that
// anybody could act on.
func (l *link) closeSession(s queue.Session, within time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	// Without a limit of its own: what a driver has not let go of, the next session would not get.
	_, _ = guard.Call(context.Background(), l.cfg.hooks.closing, func(context.Context) (struct{}, error) {
		return struct{}{}, s.Close(ctx)
	})
}

// giveBack asks the session to return a batch, without blocking the consumer, which is told gaveBack.
func (l *link) giveBack(b batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.work(func() {
		returner, can := l.session.(queue.Returner)
		if !can {
			l.tell(&gaveBack{link: l, batch: b, unable: true})
			return
		}
		ctx, cancel := context.WithTimeout(l.ctx, closeTimeout)
		defer cancel()
		err := returner.Return(ctx, b.settlements)
		if l.ctx.Err() == nil {
			l.tell(&gaveBack{link: l, batch: b, settling: settlingOf(err)})
		}
	})
}
