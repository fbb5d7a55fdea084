package gentask

import (
	"errors"
	"time"

	"golang.org/x/time/rate"

	"github.com/gentask/gentask/queue"
)

// KeyRate is a Rate for each key: in any while of d at most Burst + PerSecond*d runs of a key begin. Others go on meanwhile. What may not begin yet
// is held, so Prefetch is to be several times Concurrency: a key that fills it holds up the rest. It composes with Policy.Rate.
//
// A key is remembered until its burst is there again, which takes Burst/PerSecond at the most: that makes it one that never was. Of more than 50,000
// such keys, those are forgotten that have most of their burst again. A key longer than 64 bytes is remembered by its beginning and a hash of
// all of it.
type KeyRate struct {
	// Key says whose limit a message counts for; one with an empty key has none. It is called as Order.Key is. Nil is off.
	Key func(queue.Message) string

	// Rate is what each key may do. Zero is no limit, until Consumer.SetKeyRate sets one.
	Rate Rate
}

func (k KeyRate) check() error {
	return errors.Join(
		k.Rate.checkAs("Rate."),
		checkKey(k.Key),
		unfitIf(k.Key == nil && k.Rate != (Rate{}), "Key", "nil with a Rate", "a function, for example KeyHeader(name)"))
}

// limiters are those of the keys that have begun something of late. They belong to the ledger's goroutine, and outlive it.
type limiters struct {
	rate  Rate
	by    map[string]limiter
	sweep int // how many there may be before those that are full again are forgotten
}

func newLimiters(k KeyRate) *limiters {
	if k.Key == nil {
		return nil
	}
	return &limiters{rate: k.Rate, by: map[string]limiter{}, sweep: sweepAt}
}

// sweepAt is how many keys are remembered without a look at which of them may be forgotten.
const sweepAt = 64

// ready says whether one more of the key may begin, or when.
func (m *limiters) ready(key string, now time.Time) (ok bool, at time.Time) {
	one, known := m.by[key]
	if !known {
		return true, time.Time{}
	}
	return one.ready(now)
}

// count takes note of one that begins.
func (m *limiters) count(key string, now time.Time) {
	if !m.rate.on() {
		return
	}
	one, known := m.by[key]
	if !known {
		if len(m.by) >= m.sweep {
			m.forget(now)
			m.evict(now)
		}
		one = newLimiter(m.rate)
		m.by[key] = one
	}
	one.count(now)
}

// forget drops those that are as good as new. What is left doubles before it is called again, so that each key costs a constant share of it.
func (m *limiters) forget(now time.Time) {
	for key, one := range m.by {
		if one.full(now) {
			delete(m.by, key)
		}
	}
	m.sweep = sweepNext(len(m.by))
}

// set changes the rate. What has begun counts on, unless the limit is lifted.
func (m *limiters) set(r Rate, now time.Time) {
	m.rate = r
	if !r.on() {
		clear(m.by)
	}
	for _, one := range m.by {
		one.set(r, now)
	}
}

// full says that the limiter is as good as a new one.
func (m limiter) full(now time.Time) bool {
	return m.limiter.Limit() == rate.Inf || m.limiter.TokensAt(now) >= float64(m.limiter.Burst())
}

// keyRateGate holds back what is too fast for its key.
type keyRateGate struct{ *limiters }

func (g keyRateGate) pass(e *entry, now time.Time) (v verdict, until time.Time) {
	key := e.spot.rate()
	if key == "" {
		return admit, time.Time{}
	}
	ok, at := g.ready(key, now)
	if ok {
		return admit, time.Time{}
	}
	return skip, at
}

func (g keyRateGate) begun(e *entry, now time.Time) {
	if key := e.spot.rate(); key != "" {
		g.count(key, now)
	}
}

func (keyRateGate) ended(*entry, time.Time) {}

func (keyRateGate) gone(*entry, time.Time) {}
