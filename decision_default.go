package gentask

import (
	"github.com/gentask/gentask/task"
)

// DefaultDecision is the default policy, all of it. It decides for [Handle], for a HandleResult
// that returns the zero [Decision], and for a job whose worker ended without a decision.
//
//	ok                                           ack
//	exit: stopped by drain or lost session       release
//	exit: unknown to this node (see Unknown)     snooze, dead letter after Unknown.For
//	exit: an error with a Decision that settles  that decision
//	a rule of Config.Retry matches               as in the rule, also if undecodable
//	exit: payload can't be decoded               dead letter
//	exit: cancelled by Cancel                    dead letter
//	exit: any other reason                       requeue with back-off, dead letter at MaxAttempts
//	timeout (the task is then stopped)           requeue with back-off, dead letter at MaxAttempts
//
// The end of a job is recorded, and not read from the error that it returns. An error may wrap
// [ErrDrained], [ErrSessionLost], [ErrCancelled], a [*DecodeError] or the like because another
// consumer or message met it. Such an error is any other reason. A job that was stopped by a drain,
// or because its session is lost, is released, with any error that it returns then. A worker made
// by [Actor] must pass its job.Job. An outcome without a Task was made by the caller, and means
// what its Reason states.
//
// A worker that ended without a decision may have died of a user's function. The ledger, which
// decides then, therefore calls none of them: there are no rules, and the back-off is
// [Retry.Backoff].
func DefaultDecision[J, R any](job Job[J], o task.Outcome[R]) Decision {
	if o.Task == nil {
		// The caller made the outcome.
		return job.entry.decisionFor(claimsOf(o.Reason), o.Status, o.Reason, true)
	}
	return job.entry.defaultDecision(o.Status, o.Reason, true)
}
