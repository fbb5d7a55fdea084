package gentask

import (
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/internal/admission"
)

// KeyQuota is a consumer's part of a limit for each key that it shares with others. Its methods are
// safe for concurrent use, never block, and must not panic. Package fleet implements it.
type KeyQuota interface {
	// Want sets how many units of the key the consumer could use now. It is called when that has
	// changed.
	Want(key string, n int)

	// Acquire returns a unit of the key if one is free. If not, [Consumer.QuotaChanged] must be
	// called when one may be.
	Acquire(key string) (QuotaUnit, bool)
}

// keyQuota is the gate of FleetLimits.PerKey. It outlives a ledger that crashes. It belongs to the
// goroutine of the ledger, of which there is one at a time.
type keyQuota struct {
	from *atomic.Pointer[KeyQuota]
	told *KeyQuota // the one that Want was called of last
	hunger
	unitsOfJobs

	spare    QuotaUnit // reserved by Pass; nil if there is none
	spareKey string
	waits    map[*admission.Item]string // the keys of the items that there was no unit for
	keys     map[string]*keyUse         // of the items that wait and run
	changed  []string                   // keys whose use has changed since the last rest
}

// keyUse is how many items of a key wait for a unit, or have one.
type keyUse struct {
	n      int
	wanted int
	listed bool // in changed
}

func newKeyQuota(from *atomic.Pointer[KeyQuota], lost func(*admission.Item)) *keyQuota {
	return &keyQuota{
		from: from, unitsOfJobs: newUnitsOfJobs(lost),
		waits: map[*admission.Item]string{}, keys: map[string]*keyUse{},
	}
}

// Pass implements [admission.Gate]: it reserves a unit of the item's key.
func (q *keyQuota) Pass(it *admission.Item, now time.Time) admission.Answer {
	key := it.FleetKey()
	if key == "" || q.spare != nil && q.spareKey == key {
		return admission.Answer{}
	}
	q.giveUp()
	source := q.from.Load()
	q.feed(source != nil, now)
	if source == nil {
		return admission.Answer{Kind: admission.Block, Until: q.limit()}
	}
	unit, ok := (*source).Acquire(key)
	if !ok {
		q.wait(it, key)
		return admission.Answer{Kind: admission.Skip}
	}
	q.spare, q.spareKey = unit, key
	return admission.Answer{}
}

// wait notes that an item waits for a unit.
func (q *keyQuota) wait(it *admission.Item, key string) {
	if _, known := q.waits[it]; !known {
		q.waits[it] = key
		q.count(key, 1)
	}
}

// waitsNoMore notes that an item has got a unit, or has gone.
func (q *keyQuota) waitsNoMore(it *admission.Item) {
	if key, known := q.waits[it]; known {
		delete(q.waits, it)
		q.count(key, -1)
	}
}

// count adds n to the use of a key.
func (q *keyQuota) count(key string, n int) {
	use := q.keys[key]
	if use == nil {
		use = &keyUse{}
		q.keys[key] = use
	}
	use.n += n
	if !use.listed {
		use.listed = true
		q.changed = append(q.changed, key)
	}
}

// Started implements [admission.Gate]: the job takes the reserved unit.
func (q *keyQuota) Started(it *admission.Item, _ time.Time) {
	q.waitsNoMore(it)
	if key := it.FleetKey(); key != "" {
		q.keep(it, q.spare)
		q.spare = nil
		q.count(key, 1)
	}
}

// Ended implements [admission.Gate].
func (q *keyQuota) Ended(it *admission.Item, _ admission.Result, _ time.Time) {
	if !q.keeps && q.release(it) {
		q.count(it.FleetKey(), -1)
	}
}

// Gone implements [admission.Gate].
func (q *keyQuota) Gone(it *admission.Item, _ admission.Fate, _ time.Time) { q.waitsNoMore(it) }

func (q *keyQuota) giveUp() {
	if q.spare != nil {
		q.spare.Release()
		q.spare = nil
	}
}

// starves reports whether the consumer has been in no fleet for so long that it should hold no
// deliveries.
func (q *keyQuota) starves(now time.Time) bool {
	if q.from.Load() != nil {
		q.feed(true, now)
	}
	return q.long(now)
}

// rest ends a turn of the ledger: it gives up a unit that no job has taken, and asks for as many of
// each key as its jobs could use.
func (q *keyQuota) rest(waiting int) {
	q.giveUp()
	if waiting == 0 {
		q.forget(time.Now())
	}
	source := q.from.Load()
	if source == nil {
		return // they are asked for when there is one
	}
	if source != q.told {
		q.told = source
		q.tellAll()
	}
	for _, key := range q.changed {
		use := q.keys[key]
		use.listed = false
		if use.n != use.wanted {
			use.wanted = use.n
			(*source).Want(key, use.n)
		}
		if use.n == 0 {
			delete(q.keys, key)
		}
	}
	q.changed = q.changed[:0]
}

// tellAll makes rest say of all keys what is wanted.
func (q *keyQuota) tellAll() {
	for key, use := range q.keys {
		use.wanted = 0
		q.count(key, 0)
	}
}

// over is called when the tasks of a ledger are gone.
func (q *keyQuota) over() {
	q.giveUp()
	q.releaseAll()
	if source := q.from.Load(); source != nil {
		for key := range q.keys {
			(*source).Want(key, 0)
		}
	}
	clear(q.waits)
	clear(q.keys)
	q.changed = nil
}
