package gentask

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/internal/admission"
)

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
	told *Quota // the one that Want was called of last
	hunger
	unitsOfJobs

	spare  QuotaUnit // reserved by Pass
	wanted int
}

func newQuota(from *atomic.Pointer[Quota], lost func(*admission.Item)) *quota {
	return &quota{from: from, unitsOfJobs: newUnitsOfJobs(lost)}
}

// Pass implements [admission.Gate]: it reserves a unit. Time changes the answer only for a consumer
// without any unit, which starves then.
func (q *quota) Pass(_ *admission.Item, now time.Time) admission.Answer {
	switch {
	case q.reserve(now):
		return admission.Answer{}
	case len(q.units) > 0:
		return admission.Answer{Kind: admission.Block}
	}
	return admission.Answer{Kind: admission.Block, Until: q.limit()}
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
	q.feed(q.spare != nil, now)
	return q.spare != nil
}

// Started implements [admission.Gate]: the job takes the reserved unit.
func (q *quota) Started(it *admission.Item, _ time.Time) {
	q.keep(it, q.spare)
	q.spare = nil
}

// Ended implements [admission.Gate].
func (q *quota) Ended(it *admission.Item, _ admission.Result, _ time.Time) {
	if !q.keeps {
		q.release(it)
	}
}

// Gone implements [admission.Gate].
func (*quota) Gone(*admission.Item, admission.Fate, time.Time) {}

func (q *quota) giveUp() {
	if q.spare != nil {
		q.spare.Release()
		q.spare = nil
	}
}

// starving reports whether the consumer has had no unit for long.
func (q *quota) starving(now time.Time) bool { return q.long(now) && len(q.units) == 0 }

// starves reports whether the consumer has had no unit for so long that it should hold no
// deliveries.
func (q *quota) starves(now time.Time) bool {
	if !q.starving(now) {
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
	if waiting == 0 {
		q.forget(time.Now())
		if !q.since.IsZero() {
			want = max(want, 1) // it takes no deliveries until there is one
		}
	}
	want = min(want, slots)
	if source := q.from.Load(); source != nil && (want != q.wanted || source != q.told) {
		q.wanted, q.told = want, source
		(*source).Want(want)
	}
}

// over is called when the tasks of a ledger are gone.
func (q *quota) over() {
	q.giveUp()
	q.releaseAll()
	if source := q.from.Load(); source != nil {
		(*source).Want(0)
	}
	q.wanted = 0
}

// unitsOfJobs are the units that jobs have of a limit of the fleet.
type unitsOfJobs struct {
	lost  func(*admission.Item) // called on any goroutine when the unit of a job is lost
	units map[*admission.Item]heldUnit
	keeps bool // its ledger ends: the units of ending jobs are kept until over
}

// heldUnit is the unit of a job.
type heldUnit struct {
	unit QuotaUnit
	stop func() bool // ends the watch over its context
}

func newUnitsOfJobs(lost func(*admission.Item)) unitsOfJobs {
	return unitsOfJobs{lost: lost, units: map[*admission.Item]heldUnit{}}
}

// keep gives a unit to a job.
func (u *unitsOfJobs) keep(it *admission.Item, unit QuotaUnit) {
	u.units[it] = heldUnit{unit, context.AfterFunc(unit.Context(), func() { u.lost(it) })}
}

// release gives back the unit of a job. It reports whether it had one.
func (u *unitsOfJobs) release(it *admission.Item) bool {
	h, found := u.units[it]
	if found {
		h.stop()
		h.unit.Release()
		delete(u.units, it)
	}
	return found
}

// releaseAll gives all units back.
func (u *unitsOfJobs) releaseAll() {
	for it := range u.units {
		u.release(it)
	}
	u.keeps = false
}
