package gentask

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"time"

	"github.com/gentask/gentask/internal/admission"
)

// Pool is one budget of running jobs for several consumers of a process. Use [NewPool] to make one,
// and [PoolShare] to share it. Its methods are safe for concurrent use.
type Pool struct {
	size int

	mu      sync.Mutex
	free    int
	turns   uint64   // counts the slots that were passed on
	waiting []*share // would have taken a slot; while there are any, none is free
}

// NewPool returns a pool of n slots, one for each running job. [New] rejects a consumer that shares
// a pool with no slots.
func NewPool(n int) *Pool { return &Pool{size: n, free: n} }

// Size returns the number of slots.
func (p *Pool) Size() int { return p.size }

// InUse returns how many of them are taken.
func (p *Pool) InUse() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size - p.free
}

// PoolShare makes consumers of one process share a budget of running jobs. An idle consumer leaves
// its slots to the others. When all have work, the slots are divided by weight.
//
// No job is interrupted: when a job ends, its slot goes to the waiting consumer with the fewest
// slots per unit of weight. [Config.Concurrency] still limits each consumer. A consumer that ends,
// however it ends, returns its slots when its jobs are gone.
type PoolShare struct {
	// Slots is the budget. Nil means off.
	Slots *Pool

	// Weight is how many slots this consumer gets for each slot of a consumer of weight 1, while
	// both have work. Zero means 1.
	Weight int
}

func (s PoolShare) check() error {
	errs := errors.Join(
		unfitIf(s.Weight < 0, "Weight", s.Weight, "0 for 1, or more"),
		unfitIf(s.Slots == nil && s.Weight != 0, "Slots", "nil", "one made by NewPool; there is a Weight"))
	if s.Slots != nil && s.Slots.size < 1 {
		errs = errors.Join(errs, unfit("Slots", fmt.Sprintf("of %d places", s.Slots.size), "1 or more: NewPool(10)"))
	}
	return errs
}

// share is one consumer's part of a pool. It outlives a ledger that crashes: the next ledger
// returns the slots that the crashed one had taken. Its fields are guarded by the pool's mutex.
type share struct {
	pool   *Pool
	weight int
	wake   func() // informs the ledger of a spare slot; never blocks

	held   int    // slots of running jobs
	spare  int    // reserved slots without a job
	asked  bool   // it would have taken another slot since the last rest
	keeps  bool   // its ledger ends: ending jobs keep their slots until reset
	served uint64 // the value of turns when it got a slot last
}

func (p *Pool) share(weight int, wake func()) *share {
	return &share{pool: p, weight: or(weight, 1), wake: wake}
}

// Pass implements admission.Gate: it reserves a slot. The ledger is woken when there is one.
func (s *share) Pass(*admission.Item, time.Time) admission.Answer {
	if s.take() {
		return admission.Answer{}
	}
	return admission.Answer{Kind: admission.Block}
}

// Started implements admission.Gate: the job takes the reserved slot.
func (s *share) Started(*admission.Item, time.Time) { s.use() }

// Ended implements admission.Gate: the slot of a job that has ended goes back to the pool.
func (s *share) Ended(*admission.Item, admission.Result, time.Time) { s.giveBack() }

// Gone implements admission.Gate.
func (*share) Gone(*admission.Item, admission.Fate, time.Time) {}

// begin is called by a ledger that begins.
func (s *share) begin() {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.keeps = false
}

// ending is called by a ledger that ends. Its tasks still run, so that their slots are kept until
// reset.
func (s *share) ending() {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.keeps = true
}

// take reserves a slot, and reports whether there is one. If not, the ledger is woken when there
// is.
func (s *share) take() bool {
	p := s.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.spare > 0 {
		return true
	}
	if p.free > 0 {
		p.free--
		s.spare++
		return true
	}
	s.asked = true
	if !slices.Contains(p.waiting, s) {
		p.waiting = append(p.waiting, s)
	}
	return false
}

// use gives the reserved slot to a job.
func (s *share) use() {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.spare--
	s.held++
}

// giveBack returns the slot of a job that has ended.
func (s *share) giveBack() {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	if !s.keeps {
		s.held--
		s.pool.pass(s)
	}
}

// rest ends a turn of the ledger. Unless it would have taken another slot, the share returns its
// spare slots, and waits for none.
func (s *share) rest() {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	if s.asked {
		// Slots that it got meanwhile are for the next turn, for which the ledger has been woken.
		s.asked = false
		return
	}
	s.giveUp()
}

// reset returns all slots: the jobs are gone.
func (s *share) reset() {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.spare += s.held
	s.held, s.asked = 0, false
	s.giveUp()
}

func (s *share) giveUp() {
	s.pool.forget(s)
	for ; s.spare > 0; s.spare-- {
		s.pool.pass(s)
	}
}

// pass gives a slot to the waiting share with the fewest slots per unit of weight. Of equal ones,
// the one that has waited longest gets it. That share goes on waiting until rest is called in its
// next turn: more slots may become free. The share named from has a turn in any case.
func (p *Pool) pass(from *share) {
	if len(p.waiting) == 0 {
		p.free++
		return
	}
	next := slices.MinFunc(p.waiting, func(a, b *share) int {
		return cmp.Or(
			compareShares(a.held+a.spare, a.weight, b.held+b.spare, b.weight), cmp.Compare(a.served, b.served))
	})
	p.turns++
	next.served = p.turns
	next.spare++
	if next != from && next.spare == 1 {
		next.wake()
	}
}

// compareShares compares a/aWeight and b/bWeight. It multiplies at twice the width, so that any
// weight is safe.
func compareShares(a, aWeight, b, bWeight int) int {
	highA, lowA := bits.Mul64(uint64(a), uint64(bWeight)) //nolint:gosec // neither is negative
	highB, lowB := bits.Mul64(uint64(b), uint64(aWeight)) //nolint:gosec // neither is negative
	return cmp.Or(cmp.Compare(highA, highB), cmp.Compare(lowA, lowB))
}

func (p *Pool) forget(s *share) {
	p.waiting = slices.DeleteFunc(p.waiting, func(w *share) bool { return w == s })
}
