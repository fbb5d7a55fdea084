package gentask

import (
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
