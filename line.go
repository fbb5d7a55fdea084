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

// line is the consumer's line to one session: the goroutines that wait on the broker, so that the actor never does. One opens the session
// and receives, two settle. A line is used once: when its session is over, the consumer makes the next.
type line struct {
	book    *book
	cfg     *settings
	tell    func(any) // posts a message to the consumer
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	acks    lane // settlements that are one write
	copies  lane // settlements that publish a copy first; a broker that blocks publishers must not hold up acks
	resumed chan struct{}
	goodbye time.Duration // how long the session may take to be closed

	prefetch int // of the session

	mu      sync.Mutex
	session queue.Session
	closed  bool
}

// Messages from a line to the consumer.
type (
	// opened says that deliveries flow.
	opened struct{ line *line }
	// delivered brings a delivery, as an entry of the book.
	delivered entry
	// dried says that nothing more comes after a cancel.
	dried struct{ line *line }
	// flowing says that deliveries flow again after that.
	flowing struct{ line *line }
	// broken says that the line's session is over, or could not be opened.
	broken struct {
		line *line
		err  error
	}
	// settled says what became of a batch of settlements.
	settled struct {
		line *line
		lane *lane
		batch
		settling
		late bool // the call was cut
	}
	// gaveBack says what became of a batch of returns.
	gaveBack struct {
		line *line
		batch
		settling
		unable bool // the driver can't
	}
	// weighed says how many messages wait at the broker; err if it can't be told.
	weighed struct {
		line    *line
		asked   time.Time
		waiting int
		err     error
	}
	// shut says that the session is closed, and that the line's goroutines are gone.
	shut struct{ line *line }
)

const (
	// closeTimeout bounds how long a session may take to be closed.
	closeTimeout = 5 * time.Second

	// patience is how long a driver may take to return when its context has ended. Then it is taken for one that never will.
	patience = 5 * time.Second
)

// openLine starts to open a session; the consumer hears opened or broken.
func openLine(source queue.Source, b *book, cfg *settings, prefetch int) *line {
	l := &line{book: b, cfg: cfg, prefetch: prefetch, tell: b.tell, resumed: make(chan struct{}, 1), goodbye: closeTimeout}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.acks.ready, l.copies.ready = make(chan struct{}, 1), make(chan struct{}, 1)
	l.work(func() {
		if l.open(source) {
			l.receive()
		}
	})
	return l
}

// work runs f in a goroutine of the line's. The driver may be the user's own: if it panics, or calls runtime.Goexit, the session is broken.
func (l *line) work(f func()) {
	l.wg.Go(func() {
		returned := false
		defer func() {
			if reason := actor.Recovered(recover(), returned); reason != nil {
				l.tell(&broken{line: l, err: fmt.Errorf("gentask: driver: %w", reason)})
			}
		}()
		f()
		returned = true
	})
}

func (l *line) open(source queue.Source) bool {
	ctx, cancel := context.WithTimeout(l.ctx, l.cfg.OpenTimeout)
	defer cancel()
	opts := l.cfg.sessionOptions()
	opts.Prefetch = l.prefetch
	session, err := source.Open(ctx, opts)
	if err != nil {
		l.tell(&broken{line: l, err: guard.Seal(err)})
		return false
	}
	if !l.adopt(session) {
		// Closed meanwhile: a session that nobody knows of would hold its prefetch for ever.
		l.closeSession(session, closeTimeout)
		return false
	}
	l.work(func() { l.settleAll(&l.acks) })
	l.work(func() { l.settleAll(&l.copies) })
	l.tell(&opened{line: l})
	return true
}

func (l *line) adopt(session queue.Session) bool {
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

func (l *line) receive() {
	for {
		d, err := l.session.Receive(l.ctx)
		err = guard.Seal(err)
		switch {
		case err == nil && d == nil:
			l.tell(&broken{line: l, err: errNoDelivery})
			return
		case err == nil:
			e := newEntry(d, l, l.book, l.cfg)
			e.spot.terms = l.cfg.termsOf(&d.Message)
			l.tell((*delivered)(e))
		case guard.Is(err, queue.ErrCancelled):
			l.tell(&dried{line: l})
			select {
			case <-l.resumed:
			case <-l.ctx.Done():
				return
			}
		default:
			if l.ctx.Err() == nil {
				l.tell(&broken{line: l, err: err})
			}
			return
		}
	}
}

// settle passes the settlement of an entry on, and doesn't block.
func (l *line) settle(e *entry) {
	switch s := e.settlement(); s.Disposition {
	case queue.Ack:
		l.acks.push(e, s)
	case queue.Requeue, queue.Release, queue.DeadLetter:
		l.copies.push(e, s)
	}
}

func (l *line) settleAll(lane *lane) {
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
		l.tell(&settled{line: l, lane: lane, batch: b, settling: answer, late: late})
	}
}

// control asks something of the session, without blocking the consumer; a session that can't is broken.
func (l *line) control(ask func(queue.Session, context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.work(func() {
		ctx, cancel := context.WithTimeout(l.ctx, closeTimeout)
		defer cancel()
		if err := ask(l.session, ctx); err != nil && l.ctx.Err() == nil {
			l.tell(&broken{line: l, err: guard.Seal(err)})
		}
	})
}

// cancelIntake has the broker send no more; the consumer hears dried.
func (l *line) cancelIntake() {
	l.control(func(s queue.Session, ctx context.Context) error { return s.Cancel(ctx) })
}

// resumeIntake undoes cancelIntake, once dried was heard; the consumer hears flowing.
func (l *line) resumeIntake() {
	l.control(func(s queue.Session, ctx context.Context) error {
		if err := s.Resume(ctx); err != nil {
			return err
		}
		l.tell(&flowing{line: l}) // before the first delivery
		l.resumed <- struct{}{}   // Buffered: the receiver takes it when it is back from telling dried.
		return nil
	})
}

// crashed reports whether err is a panic or a Goexit.
func crashed(err error) bool {
	_, panicked := guard.As[*actor.PanicError](err)
	return panicked || guard.Is(err, actor.ErrGoexit)
}

// weigh asks what waits at the broker; the consumer hears weighed.
func (l *line) weigh(g queue.BacklogReporter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.work(func() {
		asked := time.Now()
		n, err := guard.Call(l.ctx, l.cfg.hooks.waiting, g.Backlog)
		if crashed(err) {
			l.tell(&broken{line: l, err: fmt.Errorf("gentask: driver: %w", err)})
			return
		}
		l.tell(&weighed{line: l, asked: asked, waiting: n, err: err})
	})
}

// shut ends the line; the consumer hears shut when the session is closed. Further calls do nothing.
func (l *line) shut() {
	if l.begin() {
		l.finishLater()
	}
}

// shutUnopened is shut for a line that has no session yet. One that has, and has yet to tell, is left alone: what it brings must be given back.
func (l *line) shutUnopened() {
	l.mu.Lock()
	unopened := !l.closed && l.session == nil
	l.closed = l.closed || unopened
	l.mu.Unlock()
	if unopened {
		l.finishLater()
	}
}

func (l *line) finishLater() {
	go func() {
		l.finish()
		l.tell(&shut{line: l})
	}()
}

// abort ends the line and waits until the session is closed, for a consumer that is about to end.
func (l *line) abort() {
	if l.begin() {
		l.finish()
	}
}

func (l *line) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := !l.closed
	l.closed = true
	return first
}

// finish closes the session, and returns when the line's goroutines are gone, or the driver has kept one for too long. Whatever that still says is
// stale.
func (l *line) finish() {
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
	limit := time.NewTimer(l.goodbye + patience)
	defer limit.Stop()
	select {
	case <-gone:
	case <-limit.C:
		if !left.Swap(true) {
			l.cfg.hooks.driving.CountHung()
		}
		l.cfg.Logger.Error("gentask: driver does not return, session left behind", "consumer", l.cfg.Name)
		l.book.life.emit(Event{Kind: EventDriverStuck})
	}
}

// closeSession returns when the broker has let go or the time is over; the driver has cut the connection then, and the error tells nothing that
// anybody could act on.
func (l *line) closeSession(s queue.Session, within time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	// Without a limit of its own: what a driver has not let go of, the next session would not get.
	_, _ = guard.Call(context.Background(), l.cfg.hooks.closing, func(context.Context) (struct{}, error) {
		return struct{}{}, s.Close(ctx)
	})
}
