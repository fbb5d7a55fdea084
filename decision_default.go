package gentask

import (
	"errors"
	"time"

	"github.com/gentask/gentask/task"
)

// DefaultDecision is the default policy, all of it. It decides for Handle, for a HandleResult that returns the zero Decision, and for a job
// whose worker ended without a decision.
//
//	ok                                           ack
//	exit: interrupted by drain or lost session   release
//	exit: a SnoozeError                          snooze
//	exit: Permanent                              dead letter
//	what a rule of Policy.Retry matches          as the rule says
//	exit: payload can't be decoded               dead letter
//	exit: cancelled by Cancel                    dead letter
//	exit: any other reason                       requeue with back-off, dead letter at MaxAttempts
//	timeout (the task is then stopped)           requeue with back-off, dead letter at MaxAttempts
//
// A worker that ended without a decision may have died of a function of the user's, so the ledger, which decides then, asks none of them: there are
// no rules, and the back-off is Config.Backoff.
func DefaultDecision[J, R any](job Job[J], o task.Outcome[R]) Decision {
	return job.entry.defaultDecision(o.Status, o.Reason, true)
}

// defaultDecision is the table. ask says whether the user's functions may be asked.
func (e *entry) defaultDecision(s task.Status, reason error, ask bool) Decision {
	switch s {
	case task.OK:
		return Ack()
	case task.Exit:
		if d := saidByError(reason); d.kind != undecided {
			return d
		}
	case task.Timeout:
	}
	if ask {
		if rule := e.rule(s, reason); rule != nil {
			return rule.decide(e, reason)
		}
	}
	switch {
	case s == task.Exit && !Failed(s, reason):
		return DeadLetter(reason)
	case ask:
		return Requeue(e.backoff(nil, reason))
	}
	return Requeue(e.cfg.Backoff.fully(e.attempt, e.cfg.random))
}

// saidByError is what a reason says of itself.
func saidByError(reason error) Decision {
	var snooze SnoozeError
	var permanent *PermanentError
	switch {
	case errors.Is(reason, ErrDrained), errors.Is(reason, ErrSessionLost):
		return Release()
	case errors.As(reason, &snooze):
		return Snooze(time.Duration(snooze))
	case errors.As(reason, &permanent):
		return DeadLetter(reason)
	}
	return Decision{}
}
