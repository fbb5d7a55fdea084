package gentask

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

const (
	// refusedTries and refusedFor are how often, and for how long, a settlement is tried before the delivery is returned. Both
	// have to be over: a leader that is being elected is back within seconds.
	refusedTries = 3
	refusedFor   = 5 * time.Second

	// retryMost bounds the wait between two of these tries.
	retryMost = 2 * time.Second

	// jamFor is how long the prefetch may be full of what can neither be settled nor returned before the session is ended,
	// doubled each time up to jamMost.
	jamFor  = 30 * time.Second
	jamMost = 10 * time.Minute

	// mostStuck is the most of such deliveries that the next session makes room for beside its prefetch.
	mostStuck = 1000
)

var (
	// ErrReturned is the reason of a delivery, in its EventDone, whose settlement was not taken and which was returned to the broker
	// instead: see EventReturned. It wraps why.
	ErrReturned = errors.New("gentask: settlement not taken, delivery returned to the broker")

	// ErrJammed is the reason of a session that was given up because the prefetch was full of deliveries which could neither be
	// settled nor returned.
	ErrJammed = errors.New("gentask: prefetch full of deliveries that can't be settled")
)

// refusal is what is known of a held delivery whose settlement was refused, or was refused the last time it was held.
type refusal struct {
	since  time.Time // of the first refusal here
	tries  int
	reason error
	due    time.Time // when it is tried again, for one that waits for its floor
	handed bool      // it is with the driver
	asked  time.Time // since when the driver owes the return; zero if it doesn't
	known  *returnee // it was returned before
	noWay  bool      // the driver could not return it
	turned bool      // it is returned to make room for others, not for a new refusal
}

// permanent reports whether to try the same settlement again is pointless.
func permanent(err error) bool {
	return guard.Is(err, queue.ErrConfig) || guard.Is(err, queue.ErrUnsupported) || guard.Is(err, queue.ErrTooLarge)
}

// hopeless reports whether it is time to return the delivery of e.
func (r *refusal) hopeless(e *entry, now time.Time) bool {
	waited := now.Sub(r.since)
	switch {
	case r.times() > 0, r.noWay:
		return true
	case permanent(r.reason):
		// One that comes back without being recognised would be run, refused and returned in a hot loop.
		return !e.delivery.Redelivered || waited >= floorBase
	}
	return r.tries >= refusedTries && waited >= refusedFor
}

// refusalOf returns what is known of the refusals of e.
func (l *ledger) refusalOf(e *entry, now time.Time) *refusal {
	r := l.refused[e]
	if r == nil {
		r = &refusal{since: now, known: l.instance.limits.returned.recalled(e.delivery, now)}
		if l.refused == nil {
			l.refused = map[*entry]*refusal{}
		}
		l.refused[e] = r
	}
	return r
}

// settleFailed keeps a delivery that the broker would not take, to try again after a while. It reports whether the delivery should be
// returned instead.
func (l *ledger) settleFailed(ctx actor.Context, e *entry, err error, late bool) (hopeless bool) {
	now := time.Now()
	if guard.Is(err, queue.ErrSettled) {
		l.notHeld(e, err)
		return false
	}
	r := l.refusalOf(e, now)
	if late {
		err = fmt.Errorf("%w for %v: %w", ErrSettleTimeout, settleTime, err)
		r.since = minTime(r.since, now.Add(-settleTime))
	}
	r.tries, r.reason, r.handed = r.tries+1, err, false
	l.lastError = err
	l.publish()
	ev := l.eventOf(EventSettleFailed, e)
	ev.Reason = err
	l.emit(ev)
	l.cfg.Logger.Warn("gentask: settlement failed, will be tried again", "consumer", l.cfg.Name, "job", e.delivery.ID, "error", err)
	l.suspectRefused(e)
	if r.hopeless(e, now) {
		return true
	}
	l.tryLater(ctx, e, r)
	return false
}

// notHeld takes an entry out of the ledger of which the driver says that it doesn't hold the delivery.
func (l *ledger) notHeld(e *entry, err error) {
	l.cfg.Logger.Error("gentask: driver does not hold the delivery", "consumer", l.cfg.Name, "job", e.delivery.ID, "error", err)
	ev := l.eventOf(EventSettleFailed, e)
	ev.Reason = err
	l.emit(ev)
	l.lose(e)
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// tryLater has the settlement of e tried again after a while.
func (l *ledger) tryLater(ctx actor.Context, e *entry, r *refusal) {
	wait := l.cfg.Reconnect.delay(min(r.tries, manyTries), l.cfg.random)
	if !r.noWay {
		wait = min(wait, retryMost)
	}
	actor.SendAfter(ctx, wait, &retry{e})
}

// manyTries is where the back-off is at its longest, whatever its base.
const manyTries = 100

// retry hands the settlement of e to the driver, unless it is there already.
func (l *ledger) retry(e *entry) {
	if !l.held.has(e) {
		return
	}
	if r := l.refused[e]; r != nil {
		if r.handed {
			return
		}
		r.handed, r.due = true, time.Time{}
	}
	e.link.settle(e)
}

// giveBack has the driver return deliveries. They are remembered before: a broker may deliver one again before the driver has answered.
func (l *ledger) giveBack(entries []*entry) {
	if len(entries) == 0 {
		return
	}
	now := time.Now()
	b := batch{entries: entries, settlements: make([]queue.Settlement, len(entries))}
	for i, e := range entries {
		r := l.refusalOf(e, now)
		r.handed, r.asked, r.due = true, now, time.Time{}
		b.settlements[i] = e.settlement()
		b.settlements[i].After = max(e.awayFor(r, now), 0)
		l.remember(e, r)
	}
	l.link.giveBack(b)
}

// awayFor returns how long the delivery of e should stay away.
func (e *entry) awayFor(r *refusal, now time.Time) time.Duration {
	if r.turned {
		return r.known.until.Sub(now)
	}
	d, _ := e.verdict()
	return max(floor(r.times()+1), d.after)
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

// gaveBack removes what was returned, and keeps trying to settle the rest.
func (l *ledger) gaveBack(ctx actor.Context, msg *gaveBack) {
	if l.stale(msg.link) {
		return
	}
	for i, e := range msg.entries {
		s := &msg.settlements[i]
		switch err, bad := msg.failed[s.Delivery.Tag]; {
		case !l.held.has(e), msg.over:
		case msg.unable:
			l.noWayOut(ctx, e)
		case bad && guard.Is(err, queue.ErrSettled):
			l.notHeld(e, err)
		case bad:
			l.cfg.Logger.Warn("gentask: delivery not returned either", "consumer", l.cfg.Name, "job", e.delivery.ID, "error", err)
			l.noWayOut(ctx, e)
		default:
			l.returned(e, s)
		}
	}
	if msg.over {
		l.broken(ctx, &broken{link: msg.link, err: msg.err})
	}
}

// noWayOut goes on to try a settlement that is refused, and then the return.
func (l *ledger) noWayOut(ctx actor.Context, e *entry) {
	r := l.refused[e]
	l.instance.limits.returned.restore(&e.delivery.Message, r.known)
	r.noWay, r.turned, r.handed, r.asked = true, false, false, time.Time{}
	l.tryLater(ctx, e, r)
}
