package gentask

import (
	"cmp"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/adapt"
)

// limits is what says how much may run. It lives as long as the consumer runs, and so outlives a ledger that crashes: a breaker stays open, and a
// crash is no way to a fresh burst. It belongs to the goroutine of the ledger, of which there is one at a time.
type limits struct {
	breaker     *circuit       // nil when off, like the others
	limiter     *adapt.Limiter //
	rate        limiter
	limited     bool // there is a gate for it
	keyRate     *limiters
	keyBreaker  *circuits
	share       *share
	suspects    *suspects
	concurrency int // by SetConcurrency; zero if it wasn't called
	shared      sharedIDs
	returned    returnees
	stuck       int // for how many more the next session is to have room, beside what others need
	jams        int // sessions in a row that were given up because nothing could be settled
	comebacks   *memo[identity, uint8]
}

func newLimits(l *instance) *limits {
	p := &l.cfg.Policy
	f := &limits{rate: newLimiter(p.Rate), limited: p.Rate.on(), keyRate: newLimiters(p.KeyRate), keyBreaker: newCircuits(p.KeyBreaker, l.cfg.random)}
	f.comebacks = newMemo[identity, uint8](mostComebacks)
	if m := p.Breaker.machine(l.cfg.random); m != nil {
		f.breaker = &circuit{Machine: m}
	}
	f.limiter = p.Adaptive.limiter(l.cfg.Concurrency)
	if p.IsolateSuspects {
		f.suspects = &suspects{clearances: newMemo[identity, clearance](mostClearances)}
	}
	if p.Pool.Slots != nil {
		f.share = p.Pool.Slots.share(p.Pool.Weight, l.unblock)
	}
	return f
}

// unblock tells the ledger, if there is one, that a gate has opened by itself.
func (l *instance) unblock() {
	if pid := l.ledger.Load(); pid != nil {
		actor.Send(l.sys.Load(), pid, &unblocked{})
	}
}

// gates are those of one incarnation of the ledger: those of the keys, and then those that hold back everything. That of the pool, which reserves
// what it grants, comes last.
func (f *limits) gates(l *ledger) []gate {
	var gates []gate
	if f.keyBreaker != nil {
		gates = append(gates, newKeyBreakerGate(l, f.keyBreaker))
	}
	if f.keyRate != nil {
		gates = append(gates, keyRateGate{f.keyRate})
	}
	if f.suspects != nil {
		gates = append(gates, newSuspectsGate(l, f.suspects))
	}
	if f.breaker != nil {
		gates = append(gates, newBreakerGate(l, f.breaker))
	}
	if f.limiter != nil {
		gates = append(gates, &adaptiveGate{ledger: l, limiter: f.limiter})
	}
	if f.limited {
		gates = append(gates, rateGate{f.rate})
	}
	if f.share != nil {
		gates = append(gates, &poolGate{ledger: l, share: f.share})
	}
	return gates
}

// over is called when the ledger's tasks are gone, whatever way it ended.
func (f *limits) over() {
	if f.share != nil {
		f.share.reset()
	}
}

// rest ends a turn of the ledger.
func (f *limits) rest() {
	if f.share != nil {
		f.share.rest()
	}
}

// slots is how many jobs may run at a time, as far as the user has said.
func (l *ledger) slots() int { return cmp.Or(l.instance.limits.concurrency, l.cfg.Concurrency) }

// width is how many jobs may run at a time, as far as is known.
func (l *ledger) width() int {
	if limiter := l.instance.limits.limiter; limiter != nil {
		return min(l.slots(), limiter.Limit())
	}
	return l.slots()
}

// breakers describes those that are not closed.
func (l *ledger) breakers() []BreakerHealth {
	var all []BreakerHealth
	if l.breakerOpen() || l.breakerProbes() {
		all = append(all, l.instance.limits.breaker.health(""))
	}
	if keys := l.instance.limits.keyBreaker; keys != nil {
		all = append(all, keys.health()...)
	}
	return all
}

// keyBreakers counts those of keys.
func (l *ledger) keyBreakers() int {
	if keys := l.instance.limits.keyBreaker; keys != nil {
		return len(keys.down)
	}
	return 0
}

// rateGate holds everything back that is too fast.
type rateGate struct{ limiter }

func (g rateGate) pass(_ *entry, now time.Time) (v verdict, until time.Time) {
	ok, at := g.ready(now)
	if ok {
		return admit, time.Time{}
	}
	return block, at
}

func (g rateGate) begun(_ *entry, now time.Time) { g.count(now) }

func (rateGate) ended(*entry, time.Time) {}

func (rateGate) gone(*entry, time.Time) {}

// poolGate holds everything back while the pool has no place for this consumer.
type poolGate struct {
	ledger *ledger
	share  *share
}

func (g *poolGate) pass(*entry, time.Time) (v verdict, until time.Time) {
	if g.share.take() {
		return admit, time.Time{}
	}
	return block, time.Time{} // it is woken
}

func (g *poolGate) begun(*entry, time.Time) { g.share.use() }

// ended gives the place back. That of a ledger that ends is kept until its tasks are gone.
func (g *poolGate) ended(*entry, time.Time) {
	if !g.ledger.ending {
		g.share.giveBack()
	}
}

func (*poolGate) gone(*entry, time.Time) {}
