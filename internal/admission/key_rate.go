package admission

import (
	"cmp"
	"time"
)

// KeyRate is the gate of a limit for each key: see [Rate]. It skips items that come too fast for
// their key.
type KeyRate struct {
	limit Limit
	by    map[string]limiter // of the keys that have started something of late
	sweep int                // the number of keys at which some are forgotten
}

// NewKeyRate returns a gate with the given limit for each key.
func NewKeyRate(l Limit) *KeyRate {
	return &KeyRate{limit: l, by: map[string]limiter{}, sweep: sweepAt}
}

// Set changes the limit. The runs that have started count on, unless the limit is lifted.
func (g *KeyRate) Set(l Limit, now time.Time) {
	g.limit = l
	if l.PerSecond <= 0 {
		clear(g.by)
	}
	for _, one := range g.by {
		one.set(l, now)
	}
}

// Pass implements [Gate].
func (g *KeyRate) Pass(it *Item, now time.Time) Answer {
	one, known := g.by[it.keys().Rate] // the empty key is never known
	if !known {
		return Answer{}
	}
	if ok, at := one.ready(now); !ok {
		return Answer{Kind: Skip, Until: at}
	}
	return Answer{}
}

// Started implements [Gate].
func (g *KeyRate) Started(it *Item, now time.Time) {
	key := it.keys().Rate
	if key == "" || g.limit.PerSecond <= 0 {
		return
	}
	one, known := g.by[key]
	if !known {
		if len(g.by) >= g.sweep {
			g.forget(now)
			g.evict(now)
		}
		one = newLimiter(g.limit)
		g.by[key] = one
	}
	one.count(now)
}

// Ended implements [Gate].
func (*KeyRate) Ended(*Item, Result, time.Time) {}

// Gone implements [Gate].
func (*KeyRate) Gone(*Item, Fate, time.Time) {}

// forget drops the keys that have their whole burst again.
func (g *KeyRate) forget(now time.Time) {
	for key, one := range g.by {
		if one.full(now) {
			delete(g.by, key)
		}
	}
	g.sweep = sweepNext(len(g.by))
}

// evict makes room where no key has its whole burst again: half of them go, first those that have
// most of it.
func (g *KeyRate) evict(now time.Time) {
	if len(g.by) < mostKeys {
		return
	}
	for _, key := range firstHalf(g.by, func(a, b limiter) int {
		return cmp.Compare(b.TokensAt(now), a.TokensAt(now))
	}) {
		delete(g.by, key)
	}
}
