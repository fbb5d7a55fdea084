package gentask

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/task"
)

// beforeAdmission returns the decision for a delivery that must not take a slot, and why. That is
// the case if this node doesn't support its kind or version, if it came too early, or if it has no
// attempt left. It returns the zero Decision for all others.
func (e *entry) beforeAdmission(b Behavior) (Decision, error) {
	m := &e.delivery.Message
	if reason := cmp.Or(b.unknownKind(m), e.cfg.unknownVersion(m)); reason != nil {
		e.setForeign(reason)
		return orDecision(e.aside(), DeadLetter(reason)), reason
	}
	if wait := time.Until(e.delivery.NotBefore); !e.delivery.NotBefore.IsZero() && wait > 0 {
		return Snooze(wait), nil // the broker could not delay it for as long as requested
	}
	if e.cfg.spent(e.item.Attempt) {
		reason := &AttemptsError{Attempt: e.item.Attempt, Max: e.cfg.Retry.MaxAttempts}
		return DeadLetter(reason), reason
	}
	return Decision{}, nil
}

// orDecision returns d, or other if d is the zero Decision.
func orDecision(d, other Decision) Decision {
	if d.kind == undecided {
		return other
	}
	return d
}

// aside returns the decision for a message that this node can't do: it is put off, or dead-lettered
// when its time is over. It returns the zero Decision for all others, and if putting off is
// disabled.
func (e *entry) aside() Decision {
	reason, unknown := e.whyForeign(), e.cfg.Unknown
	if reason == nil || unknown.For == never {
		return Decision{}
	}
	now, f, m := time.Now(), e.incarnation.instance.foreigners, e.item.Identity
	met := f.meet(m, now, unknown.For+unknown.Wait.Max)
	left := unknown.For - now.Sub(met.first)
	if left <= 0 {
		f.forget(m)
		return DeadLetter(givenUp(met.times-1, now.Sub(met.first), reason))
	}
	wait := min(unknown.Wait.delay(met.times, e.cfg.random), max(left, time.Second))
	if others, logs := f.count(reason, now); logs {
		e.log(slog.LevelWarn, "gentask: message put off, which another node may be able to do",
			slog.Any(keyError, reason), slog.Duration("after", wait),
			slog.Time("until", met.first.Add(unknown.For)), slog.Int("others", others))
	}
	return Snooze(wait)
}

// setForeign records that this node can't do the job, and why. It is called by the job's own
// decoding: an error that a run returns proves nothing.
func (e *entry) setForeign(reason error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.foreign = reason
}

// whyForeign returns why this node can't do the job; nil if it can.
func (e *entry) whyForeign() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.foreign
}

// loops reports whether a delivery could be run and given back like this for ever. That is
// impossible if it was not started, and if d makes it wait or costs a limited attempt. A drain or
// the loss of a session, which interrupt jobs, are no loop either: they don't ask.
func (e *entry) loops(d Decision) bool {
	if !e.wasStarted() {
		return false
	}
	if d.kind == decideRequeue {
		return d.after <= 0 && e.item.Attempt >= manyAttempts
	}
	return d.after < comebackBase
}

// byDefault returns the decision for a worker that took none.
func (e *entry) byDefault(reason error) (Decision, error) {
	cause := e.toldCause()
	reason = workerLost(reason)
	if cause != nil && !guard.Is(reason, cause) {
		reason = fmt.Errorf("%w: %w", cause, reason)
	}
	return e.decisionFor(e.facts(task.Exit)|factsOfCause(cause), task.Exit, reason, false), reason
}

// limit turns a requeue of the last attempt into a dead letter.
func (e *entry) limit(d Decision, reason error) (Decision, error) {
	if d.kind != decideRequeue || !e.cfg.lastAttempt(e.item.Attempt) {
		return d, reason
	}
	reason = &AttemptsError{Attempt: e.item.Attempt, Max: e.cfg.Retry.MaxAttempts, Err: reason}
	return DeadLetter(reason), reason
}

// holds reports whether d is carried out here instead of by the broker: see Order.Strict.
func (e *entry) holds(d Decision) bool {
	back := d.kind == decideRequeue || d.kind == decideRelease
	// A message that this node can't do is for another node.
	return back && e.cfg.Policy.Order.Strict && e.item.OrderKey() != "" && e.whyForeign() == nil
}

// outlasts reports whether the next attempt, after wait, would exceed the limit of the hold.
func (e *entry) outlasts(wait time.Duration) bool {
	hold := e.cfg.Policy.Order.hold()
	return hold != never && wait > hold-time.Since(e.received)
}

// limitHold turns a requeue that would be held for too long into a dead letter.
func (e *entry) limitHold(d Decision, reason error) (Decision, error) {
	if d.kind != decideRequeue || !e.holds(d) || !e.outlasts(d.wait()) {
		return d, reason
	}
	reason = &HoldError{Attempt: e.item.Attempt, Hold: e.cfg.Policy.Order.hold(), Err: reason}
	return DeadLetter(reason), reason
}

// nextAttempt returns the entry for another run of the delivery of e, which d keeps here.
func (e *entry) nextAttempt(d Decision) *entry {
	next := &entry{
		delivery: e.delivery, link: e.link, incarnation: e.incarnation, cfg: e.cfg, received: e.received,
		item: admission.Item{
			Identity: e.item.Identity, Serial: e.item.Serial, Attempt: e.item.Attempt,
			Redelivered: e.item.Redelivered, Used: e.item.Used,
		},
	}
	next.item.Owner = next
	if d.kind == decideRequeue {
		next.item.Attempt++
	}
	return next
}

// defaultDecision is the table. ask reports whether user code may be asked.
func (e *entry) defaultDecision(s task.Status, reason error, ask bool) Decision {
	return e.decisionFor(e.facts(s), s, reason, ask)
}

func (e *entry) decisionFor(f facts, s task.Status, reason error, ask bool) Decision {
	switch s {
	case task.OK:
		return Ack()
	case task.Exit:
		if d := e.aside(); d.kind != undecided {
			return d
		}
		if f.has(factInterrupted) {
			return Release()
		}
		if d := decisionIn(reason); d.kind != undecided {
			return d
		}
	case task.Timeout:
	}
	if ask {
		if rule := e.rule(s, f.explain(reason)); rule != nil {
			return rule.decide(e, reason)
		}
	}
	if f.has(factUndecodable | factCancelled) {
		return DeadLetter(reason)
	}
	return Requeue(e.plainBackoff())
}

// rule returns the first rule for a job that ended so; nil if there is none.
func (e *entry) rule(s task.Status, reason error) *Rule {
	rules := e.cfg.Retry.Rules
	for i := range rules {
		matches, _ := consult(e, e.cfg.hooks.match, func() bool { return rules[i].When(s, reason) })
		if matches {
			return &rules[i]
		}
	}
	return nil
}

// decide is what the rule makes of a job.
func (r *Rule) decide(e *entry, reason error) Decision {
	// MaxAttempts is zero if Do is anything but a requeue: see check.
	if attempt := e.item.Attempt; r.MaxAttempts > 0 && attempt >= r.MaxAttempts {
		return DeadLetter(&AttemptsError{Attempt: attempt, Max: r.MaxAttempts, Err: reason})
	}
	if r.Do.kind == undecided {
		return Requeue(e.backoff(r, reason))
	}
	return r.Do
}

// backoff returns the wait before the next attempt: by the rule, if that is not nil and has one, or
// by Retry.Backoff.
func (e *entry) backoff(rule *Rule, reason error) time.Duration {
	if rule != nil && rule.Backoff != nil {
		d, ok := consult(e, e.cfg.hooks.backoff, func() time.Duration { return rule.Backoff(e.item.Attempt, reason) })
		if ok {
			return span(max(d, 0))
		}
	}
	return e.plainBackoff()
}

// plainBackoff returns the wait before the next attempt by Retry.Backoff. It calls no user code.
func (e *entry) plainBackoff() time.Duration {
	return e.cfg.Retry.Backoff.delay(e.item.Attempt, e.cfg.random)
}

// consult calls a function of a rule, and reports whether it returned.
func consult[T any](e *entry, hook *guard.Hook, f func() T) (T, bool) {
	said, err := guard.Call(context.Background(), hook, func(context.Context) (T, error) { return f(), nil })
	if err != nil {
		e.log(slog.LevelError, "gentask: function of a retry rule failed",
			append(failureAttrs(err), slog.String("function", hook.Name()))...)
	}
	return said, err == nil
}

// keepNotes calls f with the notes of the entry, under its lock. They are made if there are none.
func (e *entry) keepNotes(f func(*notes)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.notes == nil {
		e.notes = &notes{}
	}
	f(e.notes)
}

// lastLog returns the last log lines of the attempt; empty if they are not kept, or there are none.
func (e *entry) lastLog() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.notes == nil || e.notes.tail == nil {
		return ""
	}
	return e.notes.tail.text()
}
