package gentask

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/internal/admission"
)

// FleetLimits limits the jobs of consumers on several nodes together: all that consume the same
// queue and are in the same fleet. Package fleet divides the limits among them. A consumer with
// such limits starts no job before it has joined a fleet.
type FleetLimits struct {
	// Concurrency is how many jobs run at a time on all nodes together. [Config.Concurrency] still
	// limits each consumer. Zero means off.
	//
	// A job needs a unit of it, which its node leases from the fleet. If the lease can't be
	// renewed, because the broker is away for example, the job's context ends with [ErrQuotaLost]
	// before another node may have the unit, and the job is released. So there are never more jobs
	// than that which respect their context.
	Concurrency int
}

func (f FleetLimits) check() error {
	return unfitIf(f.Concurrency < 0, "Concurrency", f.Concurrency, "0 for no limit, or more")
}

// Quota is a consumer's part of a limit that it shares with others. Its methods are safe for
// concurrent use, never block, and must not panic. Package fleet implements it.
type Quota interface {
	// Want sets how many units the consumer could use now. It is called when that has changed.
	Want(n int)

	// Acquire returns a unit if one is free. If not, [Consumer.QuotaChanged] must be called when
	// one may be.
	Acquire() (QuotaUnit, bool)
}

// QuotaUnit is one unit of a [Quota], in use.
type QuotaUnit interface {
	// Context ends before others may have the unit. It is the same each time.
	Context() context.Context

	// Release gives the unit back. It is called once.
	Release()
}

// quota is the gate of FleetLimits.Concurrency. It outlives a ledger that crashes. It belongs to
// the goroutine of the ledger, of which there is one at a time.
type quota struct {
	from *atomic.Pointer[Quota]
	lost func(*admission.Item) // called on any goroutine when the unit of a job is lost

	spare   QuotaUnit // reserved by Pass
	units   map[*admission.Item]held
	wanted  int
	refused time.Time // since when there is no unit; zero if there was one
	keeps   bool      // its ledger ends: the units of ending jobs are kept until over
}

// held is the unit of a job.
type held struct {
	unit QuotaUnit
	stop func() bool // ends the watch over its context
}

// hungerLimit is how long a consumer without any unit holds deliveries. Others may have units, so
// it gives the deliveries back then, and takes none until it can get one.
const hungerLimit = 5 * time.Second

func newQuota(from *atomic.Pointer[Quota], lost func(*admission.Item)) *quota {
	return &quota{from: from, lost: lost, units: map[*admission.Item]held{}}
}

// Pass implements [admission.Gate]: it reserves a unit.
func (q *quota) Pass(_ *admission.Item, now time.Time) admission.Answer {
	if q.reserve(now) {
		return admission.Answer{}
	}
	return admission.Answer{Kind: admission.Block, Until: q.refused.Add(hungerLimit)}
}

// reserve makes sure that there is a spare unit, if possible.
func (q *quota) reserve(now time.Time) bool {
	if q.spare == nil {
		if source := q.from.Load(); source != nil {
			if unit, ok := (*source).Acquire(); ok {
				q.spare = unit
			}
		}
	}
	switch {
	case q.spare != nil:
		q.refused = time.Time{}
		return true
	case q.refused.IsZero():
		q.refused = now
	}
	return false
}

// Started implements [admission.Gate]: the job takes the reserved unit.
func (q *quota) Started(it *admission.Item, _ time.Time) {
	unit := q.spare
	q.spare = nil
	q.units[it] = held{unit, context.AfterFunc(unit.Context(), func() { q.lost(it) })}
}

// Ended implements [admission.Gate].
func (q *quota) Ended(it *admission.Item, _ admission.Result, _ time.Time) {
	if !q.keeps {
		q.release(it)
	}
}

// Gone implements [admission.Gate].
func (*quota) Gone(*admission.Item, admission.Fate, time.Time) {}

func (q *quota) release(it *admission.Item) {
	if h, found := q.units[it]; found {
		h.stop()
		h.unit.Release()
		delete(q.units, it)
	}
}

func (q *quota) giveUp() {
	if q.spare != nil {
		q.spare.Release()
		q.spare = nil
	}
}

// starves reports whether the consumer has had no unit for so long that it should hold no
// deliveries.
func (q *quota) starves(now time.Time) bool {
	if q.refused.IsZero() || now.Sub(q.refused) < hungerLimit || len(q.units) > 0 {
		return false
	}
	available := q.reserve(now)
	q.giveUp()
	return !available
}

// rest ends a turn of the ledger: it gives up a unit that no job has taken, and asks for as many as
// so many jobs could use.
func (q *quota) rest(waiting, slots int) {
	q.giveUp()
	want := len(q.units) + waiting
	switch {
	case waiting > 0:
	case q.refused.IsZero():
	case time.Since(q.refused) < hungerLimit:
		q.refused = time.Time{} // nothing waits for a unit any more
	default:
		want = max(want, 1) // it takes no deliveries until there is one
	}
	want = min(want, slots)
	if source := q.from.Load(); source != nil && want != q.wanted {
		q.wanted = want
		(*source).Want(want)
	}
}

// over is called when the tasks of a ledger are gone.
func (q *quota) over() {
	q.giveUp()
	for it := range q.units {
		q.release(it)
	}
	q.keeps = false
	if source := q.from.Load(); source != nil {
		(*source).Want(0)
	}
	q.wanted = 0
}
