package gentask

import (
	"context"
	"errors"

	"github.com/gentask/gentask/internal/breaker"
	"github.com/gentask/gentask/task"
)

// watched is f with a look at the error that it returns, for the policies that judge by failures. It runs in the task: Policy.Failure is risky
// code like f.
func (e *entry) watched(f func(context.Context) (any, error)) func(context.Context) (any, error) {
	p := &e.cfg.Policy
	if !p.Breaker.on() && !p.KeyBreaker.on() && !p.Adaptive.on() {
		return f
	}
	return func(ctx context.Context) (any, error) {
		e.excuse(false)
		v, err := f(ctx)
		if err != nil {
			e.excuse(p.harmless(err))
		}
		return v, err
	}
}

// harmless says that the error is the job's own, and tells nothing of what jobs depend on.
func (p *Policy) harmless(err error) bool {
	return saidByError(err).kind != undecided || undecodable(err) || (p.Failure != nil && !p.Failure(err))
}

func (e *entry) excuse(yes bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.excused = yes
}

// evidence says what the last run of the job tells of what jobs depend on: nothing, if it was interrupted by us.
func (e *entry) evidence() breaker.Result {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.learn()
	if e.task == nil {
		return breaker.Nothing
	}
	switch e.status {
	case task.OK:
		return breaker.Good
	case task.Exit, task.Timeout:
		if !e.excused && (e.cause == nil || errors.Is(e.cause, task.ErrTimeout)) {
			return breaker.Bad
		}
	}
	return breaker.Nothing
}
