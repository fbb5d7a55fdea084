package gentask

import (
	"errors"
)

// Policy configures how a consumer starts, limits and repeats jobs, beside running and settling
// them. Each field is one policy, off at its zero value. Any of them may be on at the same time.
type Policy struct {
	// Middleware is around each run, inside its task and after the decoder, the first outermost.
	Middleware []Middleware

	// Breaker stops taking work while most runs fail.
	Breaker Breaker

	// KeyBreaker gives back messages of keys of which most runs fail.
	KeyBreaker KeyBreaker

	// Failure reports whether an error that a run returned is a sign of trouble with what jobs
	// depend on. If it isn't, the run counts neither as a failure nor as a success for the breakers
	// and Adaptive. The job's task waits for it, for a second at most; if it takes longer or
	// panics, the error counts. Nil means that every error does. It is not asked about panics and
	// timeouts, which count, nor about decode errors, interruptions and a [Decision] other than
	// [Requeue], which don't.
	Failure func(err error) bool

	// Rate limits how many runs start.
	Rate Rate

	// KeyRate limits how many runs of each key start.
	KeyRate KeyRate

	// Adaptive finds out how many jobs should run at a time.
	Adaptive Adaptive

	// Pool is one budget of running jobs for several consumers.
	Pool PoolShare

	// Fleet limits the jobs of several nodes together.
	Fleet FleetLimits

	// Order runs messages of the same key one after the other, in order.
	Order Order

	// Fairness starts messages in turns, by key.
	Fairness Fairness

	// Dedup acknowledges jobs that were done before without running them again.
	Dedup Dedup

	// IsolateSuspects runs suspects alone, one at a time. A suspect is a delivery that the broker
	// has counted as an attempt before, without a requeue that explains it. It may have killed its
	// process. If it kills this process too, no other message loses an attempt. Before a suspect
	// runs, the intake is cancelled, unstarted deliveries go back, and running jobs end.
	//
	// With a driver that has [queue.Isolator], suspects wait at a place beside the queue until they
	// run, and no message is pushed beyond its second attempt by others that kill. Set it on all
	// consumers of the queue: only they take suspects from the place.
	IsolateSuspects bool
}

// policyPart is a field of Policy.
type policyPart struct {
	name string
	// check returns all errors in the field, joined. They are made by unfit.
	check func() error
}

// parts returns the fields that can be checked.
func (p Policy) parts() []policyPart {
	return []policyPart{
		{"Breaker", p.Breaker.check},
		{"KeyBreaker", p.KeyBreaker.check},
		{"Rate", p.Rate.check},
		{"KeyRate", p.KeyRate.check},
		{"Adaptive", p.Adaptive.check},
		{"Pool", p.Pool.check},
		{"Fleet", p.Fleet.check},
		{"Order", p.Order.check},
		{"Fairness", p.Fairness.check},
		{"Dedup", p.Dedup.check},
	}
}

// check returns the errors of all fields, joined.
func (p Policy) check() error {
	var errs []error
	for _, part := range p.parts() {
		errs = append(errs, badFields("Policy."+part.name+".", part.check()))
	}
	return errors.Join(errs...)
}
