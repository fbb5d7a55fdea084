package gentask

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/task"
)

// Retry says what becomes of jobs that fail, where DefaultDecision decides. How often they are tried is Config.MaxAttempts.
//
// The worker of the job that failed waits for its functions, for a second at most. One that panics or takes longer has said nothing: the next rule is
// asked, Config.Backoff decides.
type Retry struct {
	// Rules are asked in order, and the first that matches decides. If none does, DefaultDecision goes on in its table.
	Rules []Rule

	// Backoff says how long to wait after the given attempt, from 1, which ended for reason; zero or less means not at all. ConstantBackoff and
	// ExponentialBackoff make one. Nil means Config.Backoff.
	Backoff BackoffFunc
}

// Rule says what becomes of a job that ended in a certain way. It has a Do, or has the job tried again.
type Rule struct {
	// When says for which end the rule is. It must not be nil: WhenFailed is for whatever is left.
	When Match

	// Do is what becomes of the job: any decision but Extend. The zero Decision means that it is tried again after Backoff.
	Do Decision

	// Backoff is Retry.Backoff for this rule. Nil means that one.
	Backoff BackoffFunc

	// MaxAttempts is Config.MaxAttempts, or KindOptions.MaxAttempts, for this rule, if it is less. Zero means that one.
	MaxAttempts int
}

// Match says whether a rule is for a job that ended with s, Exit or Timeout, for reason.
type Match func(s task.Status, reason error) bool

// WhenErrorIs matches what errors.Is finds target in. For an error of the library that says how a
// job ended, such as task.ErrTimeout or ErrCancelled, it matches a job that ended so, and not one
// that returns the error of another.
func WhenErrorIs(target error) Match {
	fact := factOf(target)
	return func(_ task.Status, reason error) bool {
		if f, known := factsIn(reason); known && fact != 0 {
			return f.has(fact)
		}
		return errors.Is(reason, target) //nolint:forbidigo // it is called as code of the user's
	}
}

// WhenErrorAs matches what errors.As finds an E in. For *actor.PanicError, *actor.GoexitError and *DecodeError the same goes as for WhenErrorIs.
func WhenErrorAs[E error]() Match {
	fact := factOfType[E]()
	return func(_ task.Status, reason error) bool {
		if f, known := factsIn(reason); known && fact != 0 {
			return f.has(fact)
		}
		var e E
		return errors.As(reason, &e) //nolint:forbidigo // likewise
	}
}

func factOfType[E error]() facts {
	var e E
	switch any(e).(type) {
	case *actor.PanicError:
		return factPanicked
	case *actor.GoexitError:
		return factExited
	case *DecodeError:
		return factUndecodable
	}
	return 0
}

// WhenPanic matches a job that panicked. One that returns the error of another task that did has failed, and has not panicked: in a rule and in
// HandleResult this matcher and its siblings go by how the job itself ended.
func WhenPanic(_ task.Status, reason error) bool {
	if f, known := factsIn(reason); known {
		return f.has(factPanicked)
	}
	return has[*actor.PanicError](reason) && !undecodable(reason)
}

// WhenGoexit matches a job that called runtime.Goexit.
func WhenGoexit(_ task.Status, reason error) bool {
	if f, known := factsIn(reason); known {
		return f.has(factExited)
	}
	return guard.Is(reason, actor.ErrGoexit) && !undecodable(reason)
}

// WhenTimeout matches a job that outlived Config.Timeout. It has been stopped when the rule's decision counts; if it returned a value meanwhile, that
// counts instead.
func WhenTimeout(s task.Status, reason error) bool {
	if f, known := factsIn(reason); known {
		return s == task.Timeout || f.has(factTimedOut)
	}
	return s == task.Timeout || guard.Is(reason, task.ErrTimeout)
}

// WhenFailed matches everything that could go better next time: all but a payload that can't be decoded, and a job that was cancelled.
func WhenFailed(_ task.Status, reason error) bool {
	if f, known := factsIn(reason); known {
		return !f.has(factUndecodable | factCancelled)
	}
	return !undecodable(reason) && !guard.Is(reason, ErrCancelled)
}

func undecodable(reason error) bool { return has[*DecodeError](reason) }

// check refuses what makes no sense.
func (r Retry) check() error {
	var errs []error
	for i, rule := range r.Rules {
		errs = append(errs, inField(fmt.Sprintf("Rules[%d].", i), rule.check()))
	}
	return errors.Join(errs...)
}

func (r Rule) check() error {
	extends := r.Do.kind == decideExtend
	settles := r.Do.kind != undecided && !extends
	uncounted := settles && r.Do.kind != decideRequeue
	return errors.Join(
		unfitIf(r.When == nil, "When", "nil", "WhenErrorIs, WhenErrorAs, WhenPanic or the like; WhenFailed for whatever is left"),
		unfitIf(extends, "Do", r.Do, "a decision that settles, or none"),
		unfitIf(settles && r.Backoff != nil, "Do", r.Do, "no Backoff with it, or no Do"),
		unfitIf(uncounted && r.MaxAttempts != 0, "MaxAttempts", r.MaxAttempts,
			fmt.Sprintf("0, for there is nothing to count when Do is %v", r.Do)),
		unfitIf(!uncounted && r.MaxAttempts < 0, "MaxAttempts", r.MaxAttempts, "0 for Config.MaxAttempts, or more"))
}

// rule returns the first rule for a job that ended so; nil if there is none.
func (e *entry) rule(s task.Status, reason error) *Rule {
	rules := e.cfg.Policy.Retry.Rules
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
	tryAgain := r.Do.kind == undecided || r.Do.kind == decideRequeue
	if attempt := e.item.Attempt; tryAgain && r.MaxAttempts > 0 && attempt >= r.MaxAttempts {
		return DeadLetter(&AttemptsError{Attempt: attempt, Max: r.MaxAttempts, Err: reason})
	}
	if r.Do.kind == undecided {
		return Requeue(e.backoff(r, reason))
	}
	return r.Do
}

// backoff asks the rule, if it is not nil, then the policy, then Config.Backoff.
func (e *entry) backoff(rule *Rule, reason error) time.Duration {
	custom := e.cfg.Policy.Retry.Backoff
	if rule != nil && rule.Backoff != nil {
		custom = rule.Backoff
	}
	if custom != nil {
		if d, ok := consult(e, e.cfg.hooks.backoff, func() time.Duration { return custom(e.item.Attempt, reason) }); ok {
			return span(max(d, 0))
		}
	}
	return e.cfg.Backoff.delay(e.item.Attempt, e.cfg.random)
}

// consult calls a function of the user's, and says whether it returned.
func consult[T any](e *entry, hook *guard.Hook, f func() T) (T, bool) {
	said, err := guard.Call(context.Background(), hook, func(context.Context) (T, error) { return f(), nil })
	if err != nil {
		e.cfg.Logger.Error("gentask: function of Policy.Retry failed", "consumer", e.cfg.Name, "id", e.delivery.ID,
			"function", hook.Name(), "reason", err, "stack", actor.Stack(err))
	}
	return said, err == nil
}
