package gentask

import (
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
)

// DrainReport says how a consumer was drained.
type DrainReport struct {
	// Finished is how many running jobs ended by themselves, and were settled.
	Finished int
	// Returned is how many deliveries went back to the queue: unstarted, or cancelled.
	Returned int
	// Cancelled are the IDs of the jobs that did not finish in time and were cancelled.
	Cancelled []string
	// Abandoned are the IDs of those among them whose task did not return within the grace either: its goroutine still runs.
	Abandoned []string
	// Lost is how many deliveries were lost because their session ended, or would not take their settlement; the broker delivers them again.
	Lost int
}

// drain is a consumer's way to its end: the intake is cancelled first, the unstarted go back, the running ones finish or are cancelled, and when
// everything is settled the session is closed. A nil drain is none.
type drain struct {
	report DrainReport
	timer  *time.Timer
	over   bool // the time is up: what runs is to be cancelled
	cut    bool // and has been
	last   bool // the time after that is up, too: what is unsettled is lost
	done   bool
}

// drainUp says that the time to drain is over; the second time, that the grace is, too.
type drainUp struct{ drain *drain }

// flushTime is what settlements get beyond time and grace.
const flushTime = 5 * time.Second

// startDrain begins the end of the consumer, once. within bounds it: less than zero cancels at once.
func (l *ledger) startDrain(ctx actor.Context, within time.Duration) {
	if l.drain != nil {
		return
	}
	l.instance.stopping.Store(true)
	l.drain = &drain{}
	l.emit(Event{Kind: EventDraining})
	if l.incarnation != nil {
		l.incarnation.batches.drain()
	}
	l.cfg.Logger.Info("gentask: draining", "consumer", l.cfg.Name, "running", l.busy.len(), "held", l.held.len())
	switch {
	case l.link == nil:
	case !l.up:
		l.link.shutUnopened()
	default:
		l.reconcileIntake()
	}
	l.drain.timer = actor.SendAfter(ctx, max(within, 0), &drainUp{l.drain})
}

// drainUp cancels what runs, and, when the grace is over, leaves what can't be settled.
func (l *ledger) drainUp(msg *drainUp) {
	d := msg.drain
	if d != l.drain {
		return
	}
	if d.over {
		d.last = true
		if l.link != nil {
			l.closeSession()
		}
		l.cutShort()
		return
	}
	d.over = true
	l.cutShort()
	sys, self := l.sys, l.self
	d.timer = time.AfterFunc(l.cfg.graceTime()+flushTime, func() { actor.Send(sys, self, &drainUp{d}) })
}

// cutShort cancels what still runs when the time to drain is up, but not before the broker has stopped sending: it would send what is given back
// right here again.
func (l *ledger) cutShort() {
	d := l.drain
	if d == nil || !d.over || d.cut || (l.up && !l.dry) {
		return // dried comes back here
	}
	d.cut = true
	for _, e := range l.busy.entries() {
		if e.unfinished() != nil {
			d.report.Cancelled = append(d.report.Cancelled, e.delivery.ID)
		}
		e.stop(ErrDrained)
	}
}

// removed counts what became of a delivery since the drain began.
func (d *drain) removed(e *entry) {
	switch {
	case d == nil:
		return
	case e.returned:
		d.report.Returned++
	case e.disposition == 0:
		d.report.Lost++
	case e.disposition == queue.Release:
		d.report.Returned++
	default:
		d.report.Finished++
	}
	if e.wasAbandoned() {
		d.report.Abandoned = append(d.report.Abandoned, e.delivery.ID)
	}
}

// checkDrained ends the consumer when nothing is left to do.
func (l *ledger) checkDrained(ctx actor.Context) {
	d := l.drain
	if d == nil || d.done || (l.busy.len() > 0 && !d.last) {
		return
	}
	if l.link != nil {
		switch {
		case l.held.len() > 0:
			l.returnWaiting()
		case !l.up:
			l.link.shutUnopened()
		case l.dry && !l.turning:
			l.link.shut()
		}
		return // shut comes back here
	}
	d.done = true
	d.timer.Stop()
	l.instance.drained(d.report)
	l.cfg.Logger.Info("gentask: drained", "consumer", l.cfg.Name, "finished", d.report.Finished, "returned", d.report.Returned,
		"lost", d.report.Lost, "cancelled", len(d.report.Cancelled), "abandoned", len(d.report.Abandoned))
	l.emit(Event{Kind: EventDrained, Report: &d.report})
	actor.Exit(ctx, nil)
}
