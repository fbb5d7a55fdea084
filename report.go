package gentask

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/breaker"
	"github.com/gentask/gentask/internal/list"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// reporter reports the events of a consumer, and logs the ones that an operator must see. It
// changes nothing else.
type reporter struct {
	*Consumer
	log *slog.Logger
}

func newReporter(c *Consumer) *reporter {
	return &reporter{Consumer: c, log: c.cfg.Logger}
}

// about returns an event about an entry.
func about(kind EventKind, e *entry) Event {
	d := e.delivery
	return Event{
		Kind: kind, ID: d.ID, Attempt: e.item.Attempt, Redelivered: d.Redelivered,
		JobKind: e.cfg.behavior.kindOf(&d.Message), Trace: e.trace(),
	}
}

// because returns an event about an entry, with a reason.
func because(kind EventKind, e *entry, reason error) Event {
	ev := about(kind, e)
	ev.Reason = reason
	return ev
}

// received reports a delivery.
func (r *reporter) received(e *entry) {
	if r.events.wants(EventReceived) {
		r.emit(about(EventReceived, e))
	}
}

// started reports that a delivery has got its slot.
func (r *reporter) started(e *entry) {
	if r.events.wants(EventStarted) {
		ev := about(EventStarted, e)
		ev.QueueTime = e.queueTime()
		r.emit(ev)
	}
}

// done reports how a delivery ended. One that was acknowledged, released or lost is no news for an
// operator, nor is a requeue without a reason.
func (r *reporter) done(e *entry) {
	r.gauges.ended[e.disposition].Add(1)
	if r.events.wants(EventDone) {
		r.emit(endOf(e))
	}
	switch e.disposition {
	case queue.DeadLetter:
		e.log(slog.LevelError, "gentask: job dead-lettered", failureOf(e)...)
	case queue.Requeue:
		if _, reason := e.verdict(); reason != nil {
			e.log(slog.LevelInfo, "gentask: job failed, will be tried again",
				append(failureOf(e), slog.Duration("after", e.after))...)
		}
	case queue.Ack, queue.Release:
	}
}

// endOf returns the event at the end of a delivery.
func endOf(e *entry) Event {
	ev := about(EventDone, e)
	e.mu.Lock()
	e.learn()
	ev.Outcome, ev.RunTime, ev.Reason = e.status, e.runTime, e.reason
	if e.marks.has(factTimedOut) && ev.Outcome == task.Exit {
		ev.Outcome = task.Timeout // of its batch, which another job leads
	}
	if e.duplicate {
		ev.Outcome, ev.RunTime = 0, 0
	}
	e.mu.Unlock()
	ev.Disposition, ev.After, ev.InPlace = e.disposition, e.after, e.inPlace
	if e.disposition == 0 && !e.returned {
		ev.Reason = ErrSessionLost
	}
	ev.QueueTime = e.queueTime()
	if e.disposition != 0 && !e.inPlace {
		ev.SettleTime = max(e.settleTime, 1)
	}
	return ev
}

// failureOf describes why an entry failed, for the log.
func failureOf(e *entry) []slog.Attr {
	_, reason := e.verdict()
	return failureAttrs(reason)
}

// opened reports that there is a session.
func (r *reporter) opened() {
	r.emit(Event{Kind: EventSessionOpened})
	r.log.Info("gentask: session opened")
}

// noSession reports that there is no session. As long as there has never been one, it is an error:
// it may be a mistake that waiting doesn't mend. The back-off limits how often it is logged.
func (r *reporter) noSession(kind EventKind, reason error, never bool, held int) {
	level := slog.LevelWarn
	if never {
		level = slog.LevelError
	}
	r.log.Log(context.Background(), level, "gentask: no session",
		"event", kind.String(), keyError, reason, "held", held)
	r.emit(Event{Kind: kind, Reason: reason})
}

// renewing reports that the intake is cancelled and resumed, because nothing came.
func (r *reporter) renewing() {
	r.log.Info("gentask: intake renewed", keyError, ErrSilent)
}

// settleFailed reports that a settlement was not taken.
func (r *reporter) settleFailed(e *entry, reason error) {
	r.emit(because(EventSettleFailed, e, reason))
	e.log(slog.LevelWarn, "gentask: settlement failed, will be tried again", slog.Any(keyError, reason))
}

// notHeld reports that the driver does not hold a delivery that the ledger holds.
func (r *reporter) notHeld(e *entry, reason error) {
	e.log(slog.LevelError, "gentask: driver does not hold the delivery", slog.Any(keyError, reason))
	r.emit(because(EventSettleFailed, e, reason))
}

// notReturned reports that the driver could not return a delivery.
func (r *reporter) notReturned(e *entry, reason error) {
	e.log(slog.LevelWarn, "gentask: delivery not returned either", slog.Any(keyError, reason))
}

// returned reports that a delivery was returned to the broker, unsettled, and why. forOthers is
// true if that was only to make room.
func (r *reporter) returned(e *entry, s *queue.Settlement, reason error, forOthers bool) {
	ev := because(EventReturned, e, reason)
	ev.Disposition, ev.After = s.Disposition, s.After
	r.emit(ev)
	if forOthers {
		return
	}
	d, _ := e.verdict()
	level := slog.LevelWarn
	if d.kind == decideAck || d.kind == decideDeadLetter {
		level = slog.LevelError
	}
	e.log(level, "gentask: settlement not taken, delivery returned to the broker",
		slog.String("decision", d.String()), slog.Any(keyError, reason))
}

// suspect reports that a suspect runs alone.
func (r *reporter) suspect(e *entry) {
	if r.events.wants(EventSuspect) {
		r.emit(about(EventSuspect, e))
	}
	e.log(slog.LevelWarn, "gentask: suspect runs alone")
}

// breakers reports the breakers whose state has changed.
func (r *reporter) breakers(changes []admission.Change) {
	for _, c := range changes {
		r.breaker(c)
	}
}

// breaker reports a breaker whose state has changed.
func (r *reporter) breaker(c admission.Change) {
	ev := Event{Key: c.Key}
	switch c.State {
	case breaker.Open:
		ev.Kind, ev.Reason, ev.After = EventBreakerOpened, c.Cause, time.Until(c.Probe)
		r.log.Warn("gentask: breaker opened", "key", c.Key, "probe", ev.After, keyError, c.Cause)
	case breaker.Probing:
		ev.Kind = EventBreakerProbing
	case breaker.Closed:
		ev.Kind = EventBreakerClosed
		r.log.Info("gentask: breaker closed", "key", c.Key)
	}
	r.emit(ev)
}

// abandoned reports that a task did not return within its grace.
func (r *reporter) abandoned(n int) {
	r.emit(Event{Kind: EventAbandoned, Count: n})
	r.log.Warn("gentask: task abandoned: it did not return within its grace", "abandoned", n)
}

// paused reports that the consumer takes no more work, or takes it again. job is the one that asked
// for it; nil if none did.
func (r *reporter) paused(on bool, job *entry, reason error) {
	kind := EventResumed
	if on {
		kind = EventPaused
	}
	if job != nil {
		job.log(slog.LevelWarn, "gentask: paused by a job", slog.Any(keyError, reason))
	}
	r.emit(Event{Kind: kind, Reason: reason})
}

// overridden reports what an operator has changed. There may be thousands of cancellations at once:
// the log has one record for them.
func (r *reporter) overridden(changes []OverrideChange) {
	cancelled, last := 0, (*OverrideChange)(nil)
	for i := range changes {
		c := &changes[i]
		r.emit(Event{Kind: EventOverridden, ID: c.ID, Override: c})
		if c.Kind == OverrideCancelled {
			cancelled, last = cancelled+1, c
			continue
		}
		r.log.Info("gentask: overridden", "what", c.Kind.String(), "from", c.From, "to", c.To,
			"by", c.Author.By, "reason", c.Author.Reason)
	}
	if last != nil {
		r.log.Info("gentask: overridden", "what", last.Kind.String(), "id", bounded(last.ID), "to", last.To,
			"others", cancelled-1, "by", last.Author.By, "reason", last.Author.Reason)
	}
}

// workersLost reports that the worker supervisor has ended.
func (r *reporter) workersLost(reason error) {
	r.log.Error("gentask: worker supervisor lost, started again", keyError, reason)
	r.emit(Event{Kind: EventWorkersLost, Reason: reason})
}

// handleHangs reports that a HandleResult does not return, and that its job is settled without it.
func (r *reporter) handleHangs(e *entry) {
	e.log(slog.LevelError, "gentask: HandleResult does not return, settled without it")
	r.emit(because(EventHealed, e, ErrHandleResult))
}

// workerIdle reports that a user's worker was idle for too long.
func (r *reporter) workerIdle(e *entry) {
	e.log(slog.LevelError, "gentask: worker idle for too long, ended", slog.Bool("decided", e.decided()))
	r.emit(because(EventHealed, e, ErrWorkerIdle))
}

// healed reports that the watchdog has found and mended a fault.
func (r *reporter) healed(reason error) { r.emit(Event{Kind: EventHealed, Reason: reason}) }

// draining reports that the consumer begins to stop.
func (r *reporter) draining(running, held int) {
	r.emit(Event{Kind: EventDraining})
	r.log.Info("gentask: draining", "running", running, "held", held)
}

// drained reports that the consumer has stopped.
func (r *reporter) drained(report *DrainReport) {
	r.log.Info("gentask: drained", "finished", report.Finished, "returned", report.Returned, "lost", report.Lost,
		"cancelled", len(report.Cancelled), "abandoned", len(report.Abandoned))
	r.emit(Event{Kind: EventDrained, Report: report})
}

// emit emits an event if a subscriber wants it.
func (c *Consumer) emit(ev Event) {
	if !c.events.wants(ev.Kind) {
		return
	}
	ev.Time, ev.Consumer = time.Now(), c.cfg.Name
	c.events.tell(ev)
}

// turned records that the ledger has made a turn.
func (c *Consumer) turned(now time.Time) { c.gauges.turn.Store(&now) }

// show publishes a view, and the breakers that are not closed.
func (c *Consumer) show(v view, breakers []BreakerHealth) {
	since := time.Now()
	if old := c.health.Load(); old != nil && old.State == v.state {
		since = old.Since
	}
	c.health.Store(&Health{
		State: v.state, Since: since, Error: v.err, Abandoned: v.abandoned, Late: v.late,
		Concurrency: v.width, Rate: v.rate, SharedIDs: v.shared, Standby: v.standby, Starved: v.starved,
		Breakers: breakers, KeyBreakers: v.keyBreakers,
	})
}

// view is the part of the consumer's state that is compared to find out if Health has changed.
type view struct {
	state                          State
	err                            error // sealed, or the library's own: comparable
	abandoned, late, width, shared int
	breaker                        breaker.State
	rate                           Rate
	keyBreakers                    int
	standby                        string
	starved                        bool
}

func statusOf(e *entry) JobStatus {
	d, _ := e.verdict()
	s := JobStatus{
		ID: e.delivery.ID, Attempt: e.item.Attempt, Worker: e.workerPID(), Running: e.busy(),
		Decision: d, Age: time.Since(e.received),
	}
	if s.Running {
		s.Active = time.Since(e.startedAt())
	}
	return s
}

// inOrder returns the held and the running entries, in the order of their receipt. A job that was
// settled early, or lost, may still run.
func inOrder(held, busy *list.List[entry]) []*entry {
	entries := busy.Slice()
	for e := range held.All() {
		if !busy.Has(e) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.item.Serial, b.item.Serial) })
	return entries
}

// stateOf returns the state of a consumer.
func stateOf(draining, connected, saturated, paused bool, b breaker.State) State {
	switch {
	case draining:
		return Draining
	case !connected:
		return Connecting
	case saturated:
		return Saturated
	case paused:
		return Paused
	}
	switch b {
	case breaker.Open:
		return BreakerOpen
	case breaker.Probing:
		return Probing
	case breaker.Closed:
	}
	return Consuming
}

// statusesOf describes entries.
func statusesOf(entries []*entry) []JobStatus {
	jobs := make([]JobStatus, len(entries))
	for i, e := range entries {
		jobs[i] = statusOf(e)
	}
	return jobs
}

// workerAnswer is the answer to a workerRequest.
type workerAnswer struct {
	pid *actor.PID
	err error
}

// workerOf returns the worker of the job with an ID: of those that share it, the one that came
// first.
func workerOf(entries []*entry, id string) workerAnswer {
	answer := workerAnswer{err: ErrUnknownJob}
	for _, e := range entries {
		if e.delivery.ID != id {
			continue
		}
		if pid := e.workerPID(); pid != nil && e.busy() {
			return workerAnswer{pid: pid}
		}
		answer.err = ErrNoWorker
	}
	return answer
}
