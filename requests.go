package gentask

import (
	"time"

	"github.com/gentask/gentask/actor"
)

// answer handles the requests of the Consumer's methods.
func (l *ledger) answer(msg message) {
	switch msg := msg.(type) {
	case *pauseRequest:
		l.pause(msg.on, nil, nil)
		l.answers.add(func() { msg.answer(nil) })
	case *cancelRequest:
		err := l.cancel(msg.id)
		l.answers.add(func() { msg.answer(err) })
	case *concurrencyRequest:
		l.instance.limits.setConcurrency(msg.n)
		l.waiting.Changed()
		l.answers.add(func() { msg.answer(nil) })
	case *rateRequest:
		l.instance.limits.setRate(msg.rate, msg.ofKeys, time.Now())
		l.waiting.SetGates(l.instance.limits.gates())
		l.answers.add(func() { msg.answer(nil) })
	case *overrideRequest:
		changes := l.onOverrides()
		l.answers.add(func() { msg.answer(changes) })
	case *jobsRequest:
		msg.answer(statusesOf(inOrder(&l.held, &l.busy)))
	case *workerRequest:
		msg.answer(workerOf(inOrder(&l.held, &l.busy), msg.id))
	case *tasksRequest:
		msg.answer(l.instance.tasks)
	}
}

// pause makes the consumer take no more work, or take it again, as far as the program is concerned.
// job is the one that asked for it; nil if none did.
func (l *ledger) pause(on bool, job *entry, reason error) {
	if l.paused == on {
		return
	}
	was := l.isPaused()
	l.paused = on
	l.instance.paused.Store(on)
	if l.isPaused() != was || job != nil {
		l.report.paused(on, job, reason)
	}
}

// isPaused reports whether the program or an operator has paused the consumer.
func (l *ledger) isPaused() bool { return l.paused || l.instance.limits.overrides.Paused.Value }

// onOverrides makes the consumer follow its overrides, and returns what has changed.
func (l *ledger) onOverrides() []OverrideChange {
	lim, was := l.instance.limits, l.isPaused()
	changes := lim.override(l.instance.overrides.Load(), time.Now())
	l.waiting.SetGates(lim.gates())
	l.cancelAll(changes)
	l.report.overridden(changes)
	if now := l.isPaused(); now != was {
		l.report.paused(now, nil, nil)
	}
	return changes
}

// drained reports whether an operator wants the consumer to end.
func (l *ledger) drained() bool { return l.instance.limits.overrides.Drained.Value }

// drainIfOverridden ends the consumer if an operator wants it to end.
func (l *ledger) drainIfOverridden(ctx actor.Context) {
	if l.drained() {
		l.startDrain(ctx, l.cfg.DrainTimeout)
	}
}

// cancelAll stops the jobs that the changes name and that have a slot. The others are looked at
// when they get one. It counts both.
func (l *ledger) cancelAll(changes []OverrideChange) {
	named := cancellations(changes)
	for _, e := range inOrder(&l.held, &l.busy) {
		c := named[e.delivery.ID]
		if c == nil || e.decided() && !e.busy() {
			continue
		}
		c.Jobs++
		if e.busy() {
			l.cancelEntry(e)
		}
	}
}

// cancel stops the jobs with an ID. It returns ErrUnknownJob if there is none.
func (l *ledger) cancel(id string) error {
	err := ErrUnknownJob
	for _, e := range inOrder(&l.held, &l.busy) {
		if e.delivery.ID != id {
			continue
		}
		err = nil
		l.cancelEntry(e)
	}
	return err
}

// cancelEntry stops one job.
func (l *ledger) cancelEntry(e *entry) {
	e.stop(ErrCancelled)
	if _, idle := e.idleSince(time.Now()); idle && !e.decided() && l.workers.orphanOf(e) == nil {
		l.endIdle(e) // it has no task whose context would end
	}
}
