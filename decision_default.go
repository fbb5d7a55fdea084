package gentask

import (
	"errors"

	"github.com/gentask/gentask/task"
)

// DefaultDecision is the default policy, all of it. It decides for Handle, for a HandleResult that returns the zero Decision, and for a job
// whose worker ended without a decision.
//
//	ok                                           ack
//	exit: payload can't be decoded               dead letter
//	exit: cancelled by Cancel                    dead letter
//	exit: interrupted by drain or lost session   release
//	exit: any other reason                       requeue with back-off, dead letter at MaxAttempts
//	timeout (the task is then stopped)           requeue with back-off, dead letter at MaxAttempts
func DefaultDecision[J, R any](job Job[J], o task.Outcome[R]) Decision {
	switch o.Status {
	case task.OK:
		return Ack()
	case task.Exit:
		var undecodable *DecodeError
		switch {
		case errors.As(o.Reason, &undecodable), errors.Is(o.Reason, ErrCancelled):
			return DeadLetter(o.Reason)
		case errors.Is(o.Reason, ErrDrained), errors.Is(o.Reason, ErrSessionLost):
			return Release()
		}
	case task.Timeout:
	}
	return Requeue(job.Backoff())
}
