package gentask

import (
	"errors"
)

// Policy is what a consumer does beside running its jobs and settling them. Each field is one policy, off at its zero value; any of them may be
// on at the same time.
type Policy struct {
	// Middleware is around each run, inside its task and after the decoder, the first outermost.
	Middleware []Middleware

	// Breaker stops taking work while most runs fail.
	Breaker Breaker

	// KeyBreaker gives back what is for a key of which most runs fail.
	KeyBreaker KeyBreaker

	// Failure reports whether an error that a run returned is a sign of trouble with what jobs depend
	// on. If it isn't, the run counts neither as a failure nor as a success for the breakers and
	// Adaptive. The job's task waits for it, for a second at most; if it takes longer or panics, the
	// error counts. Nil means that every error does. It is not asked about panics and timeouts, which
	// count, nor about decode errors, interruptions and a [Decision] other than [Requeue], which
	// don't.
	Failure func(err error) bool

	// Rate limits how many runs begin.
	Rate Rate

	// KeyRate limits how many runs of each key begin.
	KeyRate KeyRate

	// Adaptive finds out how many jobs should run at a time.
	Adaptive Adaptive

	// Pool is one budget of running jobs for several consumers.
	Pool PoolShare

	// Order runs messages of the same key one after the other, in order.
	Order Order

	// Fairness starts messages in turns, by key.
	Fairness Fairness

	// Dedup acknowledges what was done before without running it again.
	Dedup Dedup

	// IsolateSuspects runs suspects alone, one at a time: deliveries that the broker has counted as an attempt before, without a requeue
	// that explains it. The process that held one may have died of it, and if it does so again, no other message loses an attempt. Before
	// a suspect runs, the intake is cancelled, what has not been started goes back, and what runs ends.
	IsolateSuspects bool
}

// policyPart is a field of Policy.
type policyPart struct {
	name string
	// check returns everything that makes no sense, joined; unfit words it.
	check func() error
}

// parts has a line for each field.
func (p Policy) parts() []policyPart {
	return []policyPart{
		{"Breaker", p.Breaker.check},
		{"KeyBreaker", p.KeyBreaker.check},
		{"Rate", p.Rate.check},
		{"KeyRate", p.KeyRate.check},
		{"Adaptive", p.Adaptive.check},
		{"Pool", p.Pool.check},
		{"Order", p.Order.check},
		{"Fairness", p.Fairness.check},
		{"Dedup", p.Dedup.check},
	}
}

// check returns everything that makes no sense, by field.
func (p Policy) check() error {
	var errs []error
	for _, part := range p.parts() {
		errs = append(errs, badFields("Policy."+part.name+".", part.check()))
	}
	return errors.Join(errs...)
}
