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

// Pool is one budget of running jobs for several consumers of a process: see PoolShare. Make one with NewPool. Its methods are safe for
// concurrent use.
type Pool struct {
	size int

	mu      sync.Mutex
	free    int
	turns   uint64   // counts the places that were passed on
	waiting []*share // those who would have taken a place; while there are any, none is free
}

// NewPool returns a pool of n places, one for each job that runs. New refuses a consumer that shares a pool without a place.
func NewPool(n int) *Pool { return &Pool{size: n, free: n} }

// Size is how many places there are.
func (p *Pool) Size() int { return p.size }

// InUse is how many of them are taken.
func (p *Pool) InUse() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size - p.free
}

// PoolShare makes consumers of one process share a budget of running jobs: one that has nothing to do leaves its places to the others, and when
// all have work they have them by weight. Nobody is interrupted: a place goes, when its job is over, to the consumer that has the fewest by its
// weight. Concurrency still bounds each of them. A consumer that ends, however it ends, gives its places back when its jobs are gone.
type PoolShare struct {
	// Slots is the budget. Nil is off.
	Slots *Pool

	// Weight is how many places this consumer has for each one of a consumer of weight 1, while both have work. Zero means 1.
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

// share is what one consumer has of a pool. It outlives a ledger that crashes; the next one returns what that had taken. Its fields belong to the
// pool's mutex.
type share struct {
	pool   *Pool
	weight int
	wake   func() // tells the ledger that it has a place to spare; never blocks

	held   int    // places of running jobs
	spare  int    // places that are its own, and that no job has yet
	asked  bool   // it would have taken another since rest was called last
	keeps  bool   // its ledger ends: what ends now keeps its place until reset
	served uint64 // when it was passed one last, by the count of turns
}

func (p *Pool) share(weight int, wake func()) *share {
	return &share{pool: p, weight: or(weight, 1), wake: wake}
}

// Pass implements admission.Gate: it makes sure of a place to spare. The ledger is woken when there is one.
func (s *share) Pass(*admission.Item, time.Time) admission.Answer {
	if s.take() {
		return admission.Answer{}
	}
	return admission.Answer{Kind: admission.Block}
}

// Started implements admission.Gate: the spare place is the job's.
func (s *share) Started(*admission.Item, time.Time) { s.use() }

// Ended implements admission.Gate: the place of a job that is over goes back to the pool.
func (s *share) Ended(*admission.Item, admission.Result, time.Time) { s.giveBack() }

// Gone implements admission.Gate.
func (*share) Gone(*admission.Item, admission.Fate, time.Time) {}

// begin is called by a ledger that begins.
func (s *share) begin() {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.keeps = false
}

// ending is called by a ledger that ends: its tasks still run, so that their places are kept until reset.
func (s *share) ending() {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.keeps = true
}

// take makes sure of a place to spare. If there is none, it is woken when there is.
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

// use gives the spare place to a job.
func (s *share) use() {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.spare--
	s.held++
}

// giveBack returns the place of a job that is over.
func (s *share) giveBack() {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	if !s.keeps {
		s.held--
		s.pool.pass(s)
	}
}

// rest ends a turn: unless it would have taken another place, it returns what is to spare, and waits for none.
func (s *share) rest() {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	if s.asked {
		s.asked = false // what it may have got meanwhile is for the next turn, for which it has been woken
		return
	}
	s.giveUp()
}

// reset returns all that it has: its jobs are gone.
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

// pass gives a place on: to the one who waits and has the fewest by its weight, and of those to the one who was passed none for longest. That one
// goes on waiting until it says in its turn, for which it is woken, that it has enough: meanwhile others may come free. from has a turn in any
// case.
func (p *Pool) pass(from *share) {
	if len(p.waiting) == 0 {
		p.free++
		return
	}
	next := slices.MinFunc(p.waiting, func(a, b *share) int {
		return cmp.Or(compareShares(a.held+a.spare, a.weight, b.held+b.spare, b.weight), cmp.Compare(a.served, b.served))
	})
	p.turns++
	next.served = p.turns
	next.spare++
	if next != from && next.spare == 1 {
		next.wake()
	}
}

// compareShares compares a/aWeight and b/bWeight. The products that it compares are of twice the width: any weight will do.
func compareShares(a, aWeight, b, bWeight int) int {
	highA, lowA := bits.Mul64(uint64(a), uint64(bWeight)) //nolint:gosec // neither is negative
	highB, lowB := bits.Mul64(uint64(b), uint64(aWeight)) //nolint:gosec // neither is negative
	return cmp.Or(cmp.Compare(highA, highB), cmp.Compare(lowA, lowB))
}

func (p *Pool) forget(s *share) {
	p.waiting = slices.DeleteFunc(p.waiting, func(w *share) bool { return w == s })
}
