package gentask

import (
	"cmp"
	"fmt"
	"time"

	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/task"
)

// beforeAdmission returns what becomes of a delivery that must not take a slot, and why: this node doesn't
// know its kind or its version, it has come too early, or it has no attempt left. It returns the zero
// Decision for all others.
func (e *entry) beforeAdmission(b Behavior) (Decision, error) {
	m := &e.delivery.Message
	if reason := cmp.Or(b.unknownKind(m), e.cfg.unknownVersion(m)); reason != nil {
		e.setForeign(reason)
		return orDecision(e.aside(), DeadLetter(reason)), reason
	}
	if wait := time.Until(e.delivery.NotBefore); !e.delivery.NotBefore.IsZero() && wait > 0 {
		return Snooze(wait), nil // its broker could not keep it for as long as was asked
	}
	if e.cfg.spent(e.item.Attempt) {
		reason := &AttemptsError{Attempt: e.item.Attempt, Max: e.cfg.Retry.MaxAttempts}
		return DeadLetter(reason), reason
	}
	return Decision{}, nil
}

// orDecision returns d, or the other if d is none.
func orDecision(d, other Decision) Decision {
	if d.kind == undecided {
		return other
	}
	return d
}

// aside is what becomes of a message that this node can't do: it is put off, or dead-lettered when
// its time is over. It is the zero Decision for all others, and where nothing is to be put off.
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
		return DeadLetter(&UnknownError{For: now.Sub(met.first), Times: met.times - 1, Err: reason})
	}
	wait := min(unknown.Wait.delay(met.times, e.cfg.random), max(left, time.Second))
	if others, logs := f.count(reason, now); logs {
		e.cfg.Logger.Warn("gentask: message put off, which another node may be able to do", "consumer", e.cfg.Name, "id", e.delivery.ID,
			"reason", reason, "after", wait, "until", met.first.Add(unknown.For), "others", others)
	}
	return Snooze(wait)
}

// setForeign notes that this node can't do the job, and why. It is a fact of the job's own
// decoding, and not read from what a run returns.
func (e *entry) setForeign(reason error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.foreign = reason
}

// whyForeign returns nil for what this node can do.
func (e *entry) whyForeign() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.foreign
}

// loops reports whether a delivery could be run and given back like this for ever. One that was not
// started could not, nor one that is given back because it was interrupted; nor one that waits by itself,
// or loses an attempt of those that it has.
func (e *entry) loops(d Decision) bool {
	if !e.wasStarted() || factsOfCause(e.toldCause()).has(factInterrupted) {
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

// limit makes a requeue of the last attempt a dead letter.
func (e *entry) limit(d Decision, reason error) (Decision, error) {
	if d.kind != decideRequeue || !e.cfg.lastAttempt(e.item.Attempt) {
		return d, reason
	}
	reason = &AttemptsError{Attempt: e.item.Attempt, Max: e.cfg.Retry.MaxAttempts, Err: reason}
	return DeadLetter(reason), reason
}

// holds reports whether a decision to give the delivery back is carried out here, as far as it concerns its kind.
func (e *entry) holds(d Decision) bool {
	back := d.kind == decideRequeue || d.kind == decideRelease
	return back && e.cfg.Policy.Order.Strict && e.item.OrderKey() != "" && e.whyForeign() == nil // else it is for another node
}

// outlasts reports whether the next attempt, after wait, would be later than the delivery may be held.
func (e *entry) outlasts(wait time.Duration) bool {
	hold := e.cfg.Policy.Order.hold()
	return hold != never && wait > hold-time.Since(e.received)
}

// limitHold makes a dead letter of a requeue that would be held for too long.
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
