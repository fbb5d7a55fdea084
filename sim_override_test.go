package gentask

import (
	"maps"
	"time"
)

// simOverrideActs change what an operator overrides. They are weighed as the other acts.
var simOverrideActs = []simAct{
	{"override", 8, func(s *sim) { s.override(s.anyOverrides()) }},
	{"override nothing", 4, func(s *sim) { s.override(Overrides{}) }},
}

// anyOverrides draws overrides that a consumer takes. Each is on in some cases only, so that jobs
// run.
func (s *sim) anyOverrides() Overrides {
	o := Overrides{Cancelled: map[string]Author{}}
	o.Paused.Value, o.BreakerOpen.Value = s.chance(0.2), s.chance(0.2)
	o.Drained.Value = s.chance(0.05)
	if s.chance(0.5) {
		o.Concurrency.Value = 1 + s.below(s.cfg.Prefetch)
	}
	if s.chance(0.3) {
		o.Rate.Value = &Rate{PerSecond: 1 + 200*s.float()*s.float(), Burst: s.below(6)}
		if s.chance(0.2) {
			*o.Rate.Value = Rate{}
		}
	}
	if s.chance(0.5) {
		o.BreakerReset.Value = uint64(s.below(3)) //nolint:gosec // small
	}
	for range s.below(5) {
		o.Cancelled[s.someID()] = Author{By: "sim"}
	}
	return o
}

// override sets overrides as [Consumer.Override] does, but for the answer: they are there at once,
// and the ledger looks at them in a turn of its own.
func (s *sim) override(o Overrides) {
	if err := o.check(s.cfg.Prefetch); err != nil {
		s.fail("%v", err)
	}
	s.widest = max(s.widest, o.Concurrency.Value)
	s.consumer.overrides.Store(o.clone())
	s.inLedger(func(s *sim, l *ledger) {
		l.answer(&overrideRequest{answer: func([]OverrideChange) {}})
		s.noteCancelled(l.instance.limits.overrides)
		if s.everything != nil {
			s.watch(l) // a gate may be new
			s.everything.limiter.override(l.instance, l.instance.limits.overrides)
		}
	})
}

// noteCancelled records since when jobs are cancelled.
func (s *sim) noteCancelled(o *Overrides) {
	maps.DeleteFunc(s.cancelled, func(id string, _ time.Time) bool { return !o.cancels(id) })
	for id := range o.Cancelled {
		if _, known := s.cancelled[id]; !known {
			s.cancelled[id] = time.Now()
		}
	}
}

// released reports whether the ledger follows no overrides any more.
func (s *sim) released() bool {
	l := s.consumer.current()
	return l != nil && len((&Overrides{}).since(l.limits.overrides)) == 0
}

// overridden checks, whenever nothing goes on, that the ledger follows the overrides.
func (s *sim) overridden(l *ledger) {
	o := s.consumer.overrides.Load()
	if len(o.since(l.instance.limits.overrides)) > 0 {
		s.fail("at rest, the overrides are %+v, and the ledger follows %+v", o, l.instance.limits.overrides)
	}
	if (o.Paused.Value || o.BreakerOpen.Value || o.Drained.Value) && l.takesWork() {
		s.fail("at rest, work is taken with %+v", o)
	}
	if h := s.consumer.Health(); o.Concurrency.Value > 0 && h.Concurrency > o.Concurrency.Value {
		s.fail("at rest, %d jobs may run with %+v", h.Concurrency, o)
	}
	for e := range l.busy.All() {
		if o.cancels(e.delivery.ID) && !e.stopped() && !e.decided() {
			s.fail("at rest, %q is cancelled, and goes on", e.delivery.ID)
		}
	}
}

// uncancelled checks that a run that begins was not cancelled when it got its slot. One that was
// cancelled afterwards is being stopped.
func (s *sim) uncancelled(e *entry) {
	if !e.incarnation.instance.limits.overrides.cancels(e.delivery.ID) {
		return
	}
	at, known := s.cancelled[e.delivery.ID]
	if !e.stopped() || known && e.startedAt().After(at) {
		s.fail("%q is cancelled, and runs", e.delivery.ID)
	}
}

// overridesOf returns the overrides that the ledger follows.
func (*sim) overridesOf(l *ledger) *Overrides { return l.instance.limits.overrides }
