package gentask

import (
	"errors"
	"math"
	"math/rand/v2"
	"time"

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

// Backoff says how long to wait before the next attempt: between half of d and d, where d is Base doubled with each attempt, up to Max. The
// zero value is right.
type Backoff struct {
	// Base is the longest wait after the first attempt. Zero means the default that the field's owner states.
	Base time.Duration
	// Max bounds the wait. Zero means the default that the field's owner states.
	Max time.Duration
}

// delay returns the wait after the given attempt, from 1. random returns a number in [0, 1).
func (b Backoff) delay(attempt int, random func() float64) time.Duration {
	d := float64(b.Base) * math.Pow(2, float64(max(attempt, 1)-1))
	d = min(d, float64(b.Max))
	return time.Duration(d/2 + random()*d/2)
}

func (b Backoff) or(base, most time.Duration) Backoff {
	if b.Base == 0 {
		b.Base = base
	}
	if b.Max == 0 {
		b.Max = max(most, b.Base)
	}
	return b
}

func defaultRandom() float64 { return rand.Float64() } //nolint:gosec // jitter, not a secret
