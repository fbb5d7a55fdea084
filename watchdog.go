package gentask

import (
	"errors"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

// tick lets the watchdog look.
type tick struct{}

const (
	// tickEvery is how often the watchdog looks; it heals within twice that.
	tickEvery = 500 * time.Millisecond

	// stillFor is how long nothing may move, with the prefetch full and nobody working, before the session is given up.
	stillFor = 400 * time.Millisecond

	// handleLimit is how long a HandleResult may take. It is code of the user's that runs in the worker, so nobody can stop it; its job is
	// settled without it.
	handleLimit = 10 * time.Second
)

var (
	// ErrStalled is the reason of a session that was given up because nothing moved: the prefetch was full and nobody worked.
	ErrStalled = errors.New("gentask: prefetch full and nobody working")

	// ErrHandleResult is the reason of a job whose HandleResult did not return within 10 s.
	ErrHandleResult = errors.New("gentask: HandleResult did not return")
)

func (l *ledger) scheduleTick(ctx actor.Context) { actor.SendAfter(ctx, tickEvery, &tick{}) }

// tick heals what must never be. Whatever it finds is a bug, of the library's or of the user's; the node goes on all the same.
func (l *ledger) tick(ctx actor.Context) {
	l.scheduleTick(ctx)
	now := time.Now()
	for _, e := range l.busy {
		if since := e.decidingSince(); !since.IsZero() && now.Sub(since) > handleLimit {
			l.unseat(e)
		}
	}
	if l.stalled(now) {
		l.emit(Event{Kind: EventHealed, Reason: ErrStalled})
		l.broken(ctx, &broken{line: l.line, err: ErrStalled})
	}
	l.publish()
}

// stalled says that the node is a zombie: connection alive, prefetch full, nobody working, and nothing on its way to the broker or back.
func (l *ledger) stalled(now time.Time) bool {
	if !l.up || !l.intake() || len(l.busy) > 0 || len(l.held) < l.cfg.Prefetch || now.Sub(l.moved) < stillFor {
		return false
	}
	for _, e := range l.held {
		if e.decided() {
			return false // the broker has yet to answer
		}
	}
	return true
}

// unseat takes the slot and the delivery from a worker that hangs in HandleResult.
func (l *ledger) unseat(e *entry) {
	l.cfg.Logger.Error("gentask: HandleResult does not return, settled without it", "consumer", l.cfg.Name, "job", e.delivery.ID)
	ev := l.eventOf(EventHealed, e)
	ev.Reason = ErrHandleResult
	l.emit(ev)
	actor.Send(l.sys, l.workers, &supervision.TerminateRequest{ID: e.workerID()})
	e.answered()
	l.bereave(e, ErrHandleResult)
}
