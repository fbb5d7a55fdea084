package gentask

import (
	"context"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/breaker"
	"github.com/gentask/gentask/internal/guard"
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
		e.setUncounted(false)
		v, err := f(ctx)
		if err != nil {
			e.setUncounted(e.harmless(err))
		}
		return v, err
	}
}

// harmless says that the error is the job's own, and tells nothing of what jobs depend on.
func (e *entry) harmless(err error) bool {
	return e.marked(factUndecodable|factInterrupted) || saidByError(err).kind != undecided || !e.tellsOfTrouble(err)
}

// tellsOfTrouble asks Policy.Failure. If that does not return, the error tells of trouble.
func (e *entry) tellsOfTrouble(err error) bool {
	if e.cfg.Policy.Failure == nil {
		return true
	}
	yes, failed := guard.Call(context.Background(), e.cfg.hooks.failure, func(context.Context) (bool, error) {
		return e.cfg.Policy.Failure(err), nil
	})
	if failed != nil {
		e.cfg.Logger.Error("gentask: Policy.Failure failed", "consumer", e.cfg.Name, "id", e.delivery.ID,
			"reason", failed, "stack", actor.Stack(failed))
		return true
	}
	return yes
}

func (e *entry) setUncounted(yes bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.uncounted = yes
}

// signal says what the last run of the job tells of what jobs depend on: nothing, if it was interrupted by us.
func (e *entry) signal() breaker.Result {
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
		if !e.uncounted && (e.cause == nil || e.cause == task.ErrTimeout) { //nolint:errorlint // the cause itself
			return breaker.Bad
		}
	}
	return breaker.Nothing
}
