package gentask

import (
	"errors"
	"fmt"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/task"
)

// Retry controls how often and when a job that fails is tried, where [DefaultDecision] decides. The
// zero value means 25 attempts with an exponential back-off from 1 s to 6 h.
type Retry struct {
	// MaxAttempts is how many attempts a message has before a requeue becomes a dead letter,
	// whether the default policy or your code decides it. Zero means 25, -1 that attempts never
	// end. With the default Backoff, the 24 waits between 25 attempts take from 31 to 63 hours.
	MaxAttempts int

	// Backoff is how long the next attempt waits, for jobs without another wait by a rule. Its zero
	// fields mean 1 s and 6 h.
	Backoff Backoff

	// Rules are exceptions, by how a job ended: the first rule that matches decides. If none does,
	// [DefaultDecision] goes on in its table.
	//
	// The worker of the job that failed waits for the functions of a rule, each for a second at
	// most. If When panics or takes longer, the rule does not match. If Backoff does,
	// [Retry.Backoff] applies.
	Rules []Rule
}

// Rule decides what becomes of a job that ended in a certain way. Without a Do, the job is tried
// again.
type Rule struct {
	// When reports whether the rule is for a job that ended so. It must not be nil; [WhenFailed]
	// matches the rest.
	When Match

	// Do is what becomes of the job: any [Decision] but [Extend]. The zero Decision means that it
	// is tried again after Backoff.
	Do Decision

	// Backoff returns how long the next attempt waits. Nil means [Retry.Backoff]. Make one with
	// [ConstantBackoff] or [ExponentialBackoff]. A rule with a Do that settles must not have it.
	Backoff BackoffFunc

	// MaxAttempts replaces [Retry.MaxAttempts], or [KindOptions.MaxAttempts], for a job that ended
	// so, if it is less. Zero means no other limit.
	MaxAttempts int
}

// Match reports whether a rule is for a job that ended with s, which is Exit or Timeout, for
// reason.
type Match func(s task.Status, reason error) bool

// WhenErrorIs matches a reason in which errors.Is finds target. Some errors of the library describe
// how a job ended, such as [task.ErrTimeout] or [ErrCancelled]. Such a target matches a job that
// ended so, and not one that returns the error of another job.
func WhenErrorIs(target error) Match {
	fact := factOf(target)
	return func(_ task.Status, reason error) bool {
		if f, known := factsIn(reason); known && fact != 0 {
			return f.has(fact)
		}
		return errors.Is(reason, target) //nolint:forbidigo // called as the user's code
	}
}

// WhenErrorAs matches a reason in which errors.As finds an E. For [*actor.PanicError],
// [*actor.GoexitError] and [*DecodeError], it matches a job that ended so, as [WhenErrorIs] does.
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

// WhenPanic matches a job that panicked. A job that returns the error of another task that panicked
// has failed, and has not panicked. In a rule and in HandleResult, this matcher and its siblings go
// by how the job itself ended.
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

// WhenTimeout matches a job that exceeded [Config.Timeout]. The job has been stopped when the
// rule's decision counts; if it returned a value meanwhile, that counts instead.
func WhenTimeout(s task.Status, reason error) bool {
	if f, known := factsIn(reason); known {
		return s == task.Timeout || f.has(factTimedOut)
	}
	return s == task.Timeout || guard.Is(reason, task.ErrTimeout)
}

// WhenFailed matches every job that could succeed next time: all but those with a payload that
// can't be decoded, and those that were cancelled.
func WhenFailed(_ task.Status, reason error) bool {
	if f, known := factsIn(reason); known {
		return !f.has(factUndecodable | factCancelled)
	}
	return !undecodable(reason) && !guard.Is(reason, ErrCancelled)
}

// defaultMaxAttempts is the meaning of zero in Retry.MaxAttempts.
const defaultMaxAttempts = 25

func (r Retry) orDefaults() Retry {
	r.MaxAttempts = or(r.MaxAttempts, defaultMaxAttempts)
	r.Backoff = r.Backoff.or(time.Second, defaultBackoff)
	return r
}

// check returns all errors in the fields, joined.
func (r Retry) check() error {
	errs := []error{
		unfitIf(r.MaxAttempts < never, "MaxAttempts", r.MaxAttempts, "0 for 25, -1 for no end, or more"),
		unfitIf(r.Backoff.Base < 0, "Backoff.Base", r.Backoff.Base, "0 for 1s, or more"),
		unfitIf(r.Backoff.Max < 0, "Backoff.Max", r.Backoff.Max, "0 for 6h, or more"),
		inField("Backoff.", r.Backoff.check(defaultBackoff)),
	}
	for i, rule := range r.Rules {
		errs = append(errs, inField(fmt.Sprintf("Rules[%d].", i), rule.check()))
	}
	return errors.Join(errs...)
}

func (r Rule) check() error {
	extends := r.Do.kind == decideExtend
	_, settles := r.Do.disposition()
	uncounted := r.Do.settlesOtherwise()
	return errors.Join(
		unfitIf(r.When == nil, "When", "nil",
			"WhenErrorIs, WhenErrorAs, WhenPanic or the like; WhenFailed for whatever is left"),
		unfitIf(extends, "Do", r.Do.String(), "a decision that settles, or none"),
		unfitIf(settles && r.Backoff != nil, "Do", r.Do.String(), "no Backoff with it, or no Do"),
		unfitIf(uncounted && r.MaxAttempts != 0, "MaxAttempts", r.MaxAttempts,
			fmt.Sprintf("0, for there is nothing to count when Do is %s", r.Do.String())),
		unfitIf(!uncounted && r.MaxAttempts < 0, "MaxAttempts", r.MaxAttempts, "0 for Retry.MaxAttempts, or more"))
}
