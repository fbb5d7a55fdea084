package gentask

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

// sim is one simulation. Its fields belong to the goroutine that has the turn, unless they are the
// conductor's.
type sim struct {
	*conductor
	begun    time.Time
	sys      *actor.System
	q        *memory.Queue
	broker   *simBroker
	cfg      Config
	consumer *Consumer
	ledger   *ledger // the last that has answered
	trace    simTrace
	wrong    []string // guarded by mu
	cleanup  []func()

	calm   atomic.Bool // the trouble is over
	widest int         // the most jobs that may ever have run at a time
	// cancelled is since when the ledger has cancelled the jobs of an ID.
	cancelled map[string]time.Time
	hanging   bool     // HandleResult may take its time
	stops     int      // calls of Stop that wait for their turn
	ids       []string // of the messages, in the order of publishing
	bad       map[string]bool
	untried   map[string]bool // bad, and not known to be: HandleResult was asked about a job that was stopped before it was decoded
	runs      int
	active    map[identity][]*simRun // by message: several may have one id
	final     map[*task.Task[any]]bool

	everything *simPolicies // nil for the core alone
}

func newSim(sys *actor.System, seed uint64, everything bool) *sim {
	s := &sim{
		conductor: newConductor(seed), begun: time.Now(), sys: sys,
		bad: map[string]bool{}, untried: map[string]bool{}, active: map[identity][]*simRun{}, final: map[*task.Task[any]]bool{},
		cancelled: map[string]time.Time{},
		trace:     simTrace{done: map[string]bool{}, undone: map[string]bool{}},
	}
	s.q = memory.New(memory.Config{Seed: seed, Journal: true})
	s.broker = &simBroker{conductor: s.conductor, Queue: s.q}
	s.cfg = s.config()
	if everything {
		s.everything = newSimPolicies(s)
		s.equip(&s.cfg)
	}
	s.hanging = s.chance(0.2)
	consumer, err := New(s.broker, s.behavior(), s.cfg)
	if err != nil {
		panic(err) // the config was drawn from what is allowed
	}
	consumer.cfg.random = s.float
	consumer.cfg.partitions = 1 // two clocks that strike at the same instant would do so in no order
	s.consumer, s.cfg = consumer, consumer.cfg.Config
	s.widest = s.cfg.Concurrency
	if s.everything != nil && s.everything.quota != nil {
		s.everything.quota.consumer = consumer
		consumer.SetQuota(s.everything.quota)
	}
	if s.everything != nil && s.everything.rate != nil {
		s.everything.rate.consumer = consumer
		consumer.SetRateQuota(s.everything.rate)
	}
	if s.everything != nil && s.everything.keys != nil {
		s.everything.keys.consumer = consumer
		consumer.SetKeyQuota(s.everything.keys)
	}
	return s
}

func (s *sim) config() Config {
	concurrency := 1 + s.below(5)
	ms := time.Millisecond
	return Config{
		Name:        "sim",
		Logger:      slog.New(slog.DiscardHandler),
		System:      s.sys,
		Concurrency: concurrency,
		Prefetch:    concurrency + s.below(5),
		Timeout:     oneOf(s.conductor, never, s.between(ms, 50*ms), s.between(100*ms, 2*time.Second)),
		Grace:       oneOf(s.conductor, never, s.between(ms, 50*ms), s.between(100*ms, time.Second)),
		Retry: Retry{
			MaxAttempts: oneOf(s.conductor, never, 1, 2, 5),
			Backoff:     Backoff{Base: s.between(ms, 200*ms), Max: s.between(200*ms, time.Second)},
		},
		MaxAbandoned: oneOf(s.conductor, never, 0, 1, 2),
		DrainTimeout: oneOf(s.conductor, never, s.between(ms, time.Second), s.between(time.Second, 10*time.Second)),
		FinishLost:   s.chance(0.3),
		Restarts:     oneOf(s.conductor, never, 0, 1),
		Reconnect:    Backoff{Base: s.between(ms, 50*ms), Max: s.between(50*ms, time.Second)},
		OpenTimeout:  s.between(100*ms, 5*time.Second),
		Unknown:      Unknown{For: oneOf(s.conductor, never, time.Millisecond, 2*time.Minute)},
		OnEvent: func(ev Event) {
			s.trace.event(ev)
			if ev.Time.UnixNano()%16 == 0 {
				panic("a subscriber's own business")
			}
		},
	}
}

// play is a life: trouble for some seconds, then peace, until everything is settled and ended.
func (s *sim) play() {
	defer s.end()
	s.publish(5 + s.below(20))
	if s.chance(0.8) {
		s.faults()
	}
	s.start()
	for range 2 + s.below(12) {
		s.until(s.upTo(oneOf(s.conductor, 5*time.Millisecond, 100*time.Millisecond, time.Second)), nil)
		s.act()
	}
	s.peace()
	if !s.hanging && s.chance(0.5) {
		s.until(time.Minute, s.empty)
		s.drained()
	}
	if !s.until(10*time.Minute, s.empty) {
		s.fail("the queue does not become empty: %+v, %+v", s.q.Stats(), s.consumer.Health())
		return
	}
	s.until(time.Minute, s.still)
	s.stop()
	if !s.until(time.Minute, s.consumer.current().over) {
		s.fail("the consumer does not stop: %+v", s.consumer.Health())
		return
	}
	s.until(time.Minute, nil) // tasks that were abandoned return
	s.settledAll()
}

// peace ends the trouble.
func (s *sim) peace() {
	s.until(time.Second, func() bool { return s.stops == 0 })
	s.trace.note("peace", "", 0)
	s.calm.Store(true)
	s.q.SetFaults(memory.Faults{})
	s.broker.setSlow(0)
	if p := s.everything; p != nil && p.rival != nil {
		p.rival.giveBack(p.rival.share.held)
	}
	if p := s.everything; p != nil && p.quota != nil {
		p.quota.resize(1 + s.below(3))
	}
	if p := s.everything; p != nil && p.rate != nil {
		p.rate.set(true, s.below(3))
	}
	if p := s.everything; p != nil && p.keys != nil {
		p.keys.resize(1 + s.below(3))
	}
	s.override(Overrides{})
	s.until(link.CloseTimeout+time.Second, nil) // what was killed last takes effect, and a call to a slow broker has ended
	if l := s.consumer.current(); l.stopping.Load() {
		if !s.until(time.Minute, l.over) {
			s.fail("the consumer does not stop: %+v", s.consumer.Health())
		}
	}
	s.start()
	flows := func() bool { return !s.consumer.current().paused.Load() && s.released() }
	for range 10 { // a ledger that is about to die does not hear it
		s.ask(&pauseRequest{answer: func(error) {}})
		s.override(Overrides{})
		if s.until(time.Second, flows) {
			return
		}
	}
	s.fail("the consumer does not resume: %+v", s.consumer.Health())
}

func (s *sim) empty() bool {
	st := s.q.Stats()
	return st.Ready+st.Delayed+st.Held == 0
}

func (s *sim) still() bool { return s.consumer.Health().Running == 0 }

// until goes on step by step until done, or for the limit; it reports which.
func (s *sim) until(limit time.Duration, done func() bool) bool {
	end := time.Now().Add(limit)
	for {
		s.rest()
		s.spy()
		if done != nil && done() {
			return true
		}
		left := time.Until(end)
		if left <= 0 || len(s.wrong) > 0 {
			return false
		}
		if s.step() {
			continue
		}
		if s.acquainted() {
			s.atRest()
			s.idle(left)
		}
	}
}

// acquainted reports whether the present ledger is known, and asks it to show itself.
func (s *sim) acquainted() bool {
	l := s.consumer.current()
	if l == nil {
		s.ledger = nil
		return true
	}
	pid := l.ledger.Load()
	if pid == nil || !actor.Alive(s.sys, pid) {
		s.ledger = nil
		return true
	}
	if s.ledger != nil && s.ledger.self == pid {
		return true
	}
	s.inLedger(func(s *sim, l *ledger) { s.ledger = l })
	return false
}

// end leaves nothing behind, at any point of the simulation.
func (s *sim) end() {
	for _, f := range s.cleanup {
		f()
	}
	for s.rest(); s.step() && s.steps < simSteps; s.rest() {
	}
	s.q.Close()
}
