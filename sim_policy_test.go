package gentask

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// simPolicies is what a simulation of everything has beside that of the core: each policy is on or
// off, by the seed, and for some seeds all are.
type simPolicies struct {
	all        bool // every one of them is on
	pool       *Pool
	rival      *simRival
	quota      *simQuota
	rate       *simRate
	keys       *simKeys
	limiter    simLimiter
	keyLimiter simLimiter
	spied      *actor.PID          // the ledger that has its spy
	ran        map[*entry]simSpot  // what the spy has seen
	last       map[simOrder]uint64 // the last that began, by session and order key
	early      map[string]bool     // ids of messages that were settled while they ran
	done       map[identity]bool   // what was done and acknowledged, as the spy has seen
	counter    int
}

func newSimPolicies(s *sim) *simPolicies {
	return &simPolicies{
		limiter: simLimiter{known: &Overrides{}}, keyLimiter: simLimiter{known: &Overrides{}},
		all: s.chance(0.3), early: map[string]bool{}, done: map[identity]bool{}, ran: map[*entry]simSpot{}, last: map[simOrder]uint64{},
	}
}

// on draws whether a policy is on.
func (s *sim) on() bool { return s.everything.all || s.chance(0.5) }

// errRule is what the rules of a simulation look for.
var errRule = errors.New("simulated failure that has a rule")

// decisionAsError draws what a function may return in the place of an error.
func (s *sim) decisionAsError() error {
	d := s.upTo(time.Second)
	return oneOf(s.conductor, DeadLetter(errSim), Snooze(d), Requeue(d), Release(), Ack(), Extend(d), Decision{})
}

// equip draws the policies.
func (s *sim) equip(cfg *Config) {
	cfg.Prefetch += s.below(20) // it is how far ahead keys and turns see
	cfg.Decode = s.decode
	p := &cfg.Policy
	p.Middleware = []Middleware{s.turnstile}
	if s.on() {
		p.Middleware = append(p.Middleware, DeadlineFrom("expires"), s.clumsy)
	}
	if s.on() {
		cfg.Retry.Rules = s.rules()
	}
	if s.on() {
		p.Failure = func(err error) bool { return !errors.Is(err, errSim) }
	}
	s.equipLineup(p)
	s.equipFlow(p, cfg.Concurrency)
	if s.on() {
		p.Dedup = Dedup{Remember: 10_000}
		if s.chance(0.5) {
			p.Dedup.Store = simStore{s}
		}
	}
}

func (s *sim) equipLineup(p *Policy) {
	if s.on() {
		p.Order = Order{Key: KeyHeader("order"), Strict: s.everything.all || s.chance(0.5), Hold: oneOf(s.conductor, 0, never, s.upTo(3*time.Second))}
	}
	if s.on() {
		p.Fairness = Fairness{Key: KeyHeader("fair")}
	}
	p.IsolateSuspects = s.on()
}

func (s *sim) equipFlow(p *Policy, concurrency int) {
	ms := time.Millisecond
	if s.on() {
		p.Breaker = Breaker{
			FailureRate: 0.2 + 0.8*s.float(), MinRuns: 2 + s.below(5), Window: s.between(100*ms, 5*time.Second),
			Wait: Backoff{Base: s.between(ms, 500*ms), Max: s.between(500*ms, 3*time.Second)},
		}
	}
	if s.on() {
		p.Rate = s.anyRate()
	}
	if s.on() {
		p.KeyRate = KeyRate{Key: KeyHeader("fair"), Rate: oneOf(s.conductor, Rate{}, s.anyRate())}
	}
	if s.on() {
		p.Adaptive = Adaptive{Min: 1 + s.below(concurrency), FailureRate: s.float()}
	}
	if s.on() {
		s.everything.pool = NewPool(1 + s.below(concurrency+2))
		p.Pool = PoolShare{Slots: s.everything.pool, Weight: s.below(4)}
		s.everything.rival = newSimRival(s, s.everything.pool)
	}
	if s.on() {
		p.Fleet.Concurrency = 1
		s.everything.quota = &simQuota{conductor: s.conductor, size: 1 + s.below(concurrency+2)}
	}
	if s.on() {
		p.Fleet.Rate.PerSecond = 1
		s.everything.rate = &simRate{conductor: s.conductor, part: s.chance(0.7), tokens: s.below(4)}
	}
	if s.on() {
		p.Fleet.PerKey = FleetPerKey{Key: KeyHeader("fair"), Concurrency: 1}
		s.everything.keys = &simKeys{conductor: s.conductor, by: map[string]*simQuota{}}
	}
}

func (s *sim) anyRate() Rate { return Rate{PerSecond: 5 + 200*s.float()*s.float(), Burst: s.below(6)} }

// rules match nothing when all is calm: what comes late must not pause the consumer, because
// nothing would resume it.
func (s *sim) rules() []Rule {
	when := func(m Match) Match {
		return func(st task.Status, reason error) bool { return !s.calm.Load() && m(st, reason) }
	}
	return []Rule{
		{When: when(WhenPanic), MaxAttempts: 2},
		{When: when(WhenTimeout), Backoff: ConstantBackoff(s.upTo(time.Second))},
		{When: when(WhenErrorIs(errRule)), Do: oneOf(s.conductor, Ack(), PauseConsumer(), Snooze(s.upTo(time.Second)), DeadLetter(nil))},
		{When: func(task.Status, error) bool {
			if !s.calm.Load() && s.everything.tick()%8 == 0 {
				panic("in a rule")
			}
			return false
		}},
	}
}

func (p *simPolicies) tick() int {
	p.counter++
	return p.counter
}

// decode takes a turn: tasks that were woken together, as by a drain while they asked the store, go
// on one by one.
func (s *sim) decode(msg *queue.Message, into any) error {
	s.turn("decode " + msg.ID)
	return DecodeJSON(msg, into)
}

// turnstile has the tasks that end together, as those of a batch do, end one by one.
func (s *sim) turnstile(next RunFunc) RunFunc {
	return func(ctx context.Context, job Job[any]) (any, error) {
		defer s.turn(fmt.Sprintf("end of task %d", taskOf(job.entry).ID()))
		return next(ctx, job)
	}
}

func taskOf(e *entry) *task.Task[any] {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.task
}

// clumsy is a middleware that fails, and delays.
func (s *sim) clumsy(next RunFunc) RunFunc {
	return func(ctx context.Context, job Job[any]) (any, error) {
		if s.calm.Load() {
			return next(ctx, job)
		}
		switch s.below(30) {
		case 0:
			panic("in a middleware")
		case 1:
			runtime.Goexit()
		case 2:
			return nil, oneOf(s.conductor, errSim, errRule, s.decisionAsError())
		case 3:
			s.pause(fmt.Sprintf("middleware of task %d", taskOf(job.entry).ID()), s.upTo(time.Second), ctx.Done())
		}
		return next(ctx, job)
	}
}

// dress gives a message what policies go by.
func (s *sim) dress(m *queue.Message) {
	now := time.Now()
	m.Headers = map[string]string{}
	for _, name := range []string{"order", "fair", "batch"} {
		if s.chance(0.7) {
			m.Headers[name] = oneOf(s.conductor, "a", "b", "c")
		}
	}
	if s.chance(0.8) {
		m.Headers["kind"] = oneOf(s.conductor, "handle", "batch", "pairs", "work", "actor", "unknown")
	}
	if s.chance(0.1) {
		m.Headers["expires"] = now.Add(s.upTo(2 * time.Second)).Format(time.RFC3339Nano)
	}
	if s.chance(0.2) {
		m.NotBefore = now.Add(s.upTo(2 * time.Second))
		m.Headers["due"] = m.NotBefore.Format(time.RFC3339Nano)
	}
	if s.chance(0.3) {
		m.Priority = s.below(10)
	}
	if s.chance(0.1) {
		m.UniqueKey = oneOf(s.conductor, "u", "v", "w")
	}
}

// simStore remembers what was done, as far as it does anything.
type simStore struct{ s *sim }

// Done implements DedupStore.
func (r simStore) Done(ctx context.Context, id string) (bool, error) {
	return r.call(ctx, "ask store "+id)
}

// Remember implements DedupStore.
func (r simStore) Remember(ctx context.Context, id string) error {
	_, err := r.call(ctx, "tell store "+id)
	return err
}

func (r simStore) call(ctx context.Context, name string) (bool, error) {
	r.s.turn(name)
	defer r.s.broker.call()()
	if r.s.calm.Load() {
		return false, nil
	}
	switch r.s.below(10) {
	case 0:
		return false, errSim
	case 1:
		panic("in the store")
	case 2, 3:
		r.s.pause(name, r.s.upTo(5*time.Second), nil)
	case 4:
		r.s.pause(name, r.s.upTo(5*time.Second), ctx.Done())
	}
	return false, ctx.Err()
}
