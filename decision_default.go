package gentask

import (
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/task"
)

// DefaultDecision is the default policy, all of it. It decides for Handle, for a HandleResult that returns the zero Decision, and for a job
// whose worker ended without a decision.
//
//	ok                                           ack
//	exit: told to stop by drain or lost session  release
//	exit: unknown to this node (see Unknown)     snooze, dead letter after Unknown.For
//	exit: an error with a Decision that settles  that decision
//	what a rule of Config.Retry matches          as the rule says, also for a payload that can't be decoded
//	exit: payload can't be decoded               dead letter
//	exit: cancelled by Cancel                    dead letter
//	exit: any other reason                       requeue with back-off, dead letter at MaxAttempts
//	timeout (the task is then stopped)           requeue with back-off, dead letter at MaxAttempts
//
// What happened is known, and not read from the error that a job returns: an error that wraps ErrDrained, ErrSessionLost, ErrCancelled, a
// *DecodeError or the like, because another consumer or message met it, is any other reason. A job that was told to stop by a drain, or
// because its session is lost, is released whatever it returns then. A worker made by [Actor] passes
// its job.Job. An outcome without a Task is of the caller's making, and means what its
// Reason says.
//
// A worker that ended without a decision may have died of a function of the user's, so the ledger, which decides then, asks none of them: there are
// no rules, and the back-off is Retry.Backoff.
func DefaultDecision[J, R any](job Job[J], o task.Outcome[R]) Decision {
	if o.Task == nil && o.Ending == task.NotEnded {
		return job.entry.decisionFor(claimsOf(o.Reason), o.Status, o.Reason, true) // of the caller's making
	}
	return job.entry.defaultDecision(o.Status, o.Reason, true)
}

// defaultDecision is the table. ask says whether the user's functions may be asked.
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
	switch {
	case s == task.Exit && f.has(factUndecodable|factCancelled):
		return DeadLetter(reason)
	case ask:
		return Requeue(e.backoff(nil, reason))
	}
	return Requeue(e.plainBackoff())
}

// decisionIn returns the decision that a job has returned as an error, or wrapped in one; the zero
// Decision if there is none that settles. The reason of a dead letter is all of the error.
func decisionIn(reason error) Decision {
	d, found := guard.As[Decision](reason)
	if _, settles := d.disposition(); !found || !settles {
		return Decision{}
	}
	if d.kind == decideDeadLetter && !isDecision(reason) {
		d.reason = guard.Seal(reason)
	}
	return d
}

// isDecision reports whether an error, sealed or not, is a Decision and doesn't only wrap one.
func isDecision(err error) bool {
	if s, sealed := err.(*guard.SealedError); sealed { //nolint:errorlint // the outermost
		err = s.Unwrap()
	}
	_, is := err.(Decision) //nolint:errorlint // likewise
	return is
}
