package gentask

import "time"

// simRival is another who shares the pool. It takes places, and gives them back, when it likes.
type simRival struct {
	s     *sim
	share *share
}

func newSimRival(s *sim, p *Pool) *simRival {
	return &simRival{s: s, share: p.share(1+s.below(3), func() {})}
}

// play takes some places, or gives some back.
func (r *simRival) play() {
	if r.s.chance(0.4) {
		r.giveBack(r.share.held)
		return
	}
	for range 1 + r.s.below(3) {
		if !r.share.take() {
			break
		}
		r.share.use()
	}
	r.share.rest()
}

func (r *simRival) giveBack(n int) {
	for range n {
		r.share.giveBack()
	}
	r.share.rest()
	r.share.rest() // it waits for none
}

// simMeter watches a rate, of all or of each key.
type simLimiter struct {
	instance *instance
	program  Rate // of the program
	rate     Rate // in force
	known    *Overrides
	begins   map[string][]time.Time // by key, since the rate is what it is
}

// began returns how many of the key have begun too many.
func (m *simLimiter) began(l *instance, program Rate, o *Overrides, key string, now time.Time) (tooMany float64) {
	if m.instance != l {
		m.set(l, program)
	}
	if m.known != o { // of a ledger that began with them
		m.override(l, o)
		m.begins = map[string][]time.Time{}
	}
	if !m.rate.on() {
		return 0
	}
	begins := append(m.begins[key], now)
	m.begins[key] = begins
	limit := m.rate.limit()
	for i, at := range begins {
		allowed := float64(limit.Burst) + limit.PerSecond*now.Sub(at).Seconds()
		tooMany = max(tooMany, float64(len(begins)-i)-allowed)
	}
	return tooMany
}

// set is called when the program changes the rate.
func (m *simLimiter) set(l *instance, r Rate) {
	*m = simLimiter{instance: l, program: r, rate: m.known.rate(r), known: m.known, begins: map[string][]time.Time{}}
}

// override is called when the ledger follows overrides: a rate that has changed counts from now on.
func (m *simLimiter) override(l *instance, o *Overrides) {
	if m.known = o; m.instance == l && m.rate != o.rate(m.program) {
		m.set(l, m.program)
	}
}

// simFlowActs change at run time what a simulation of everything allows.
var simFlowActs = []simAct{
	{"set rate", 3, func(s *sim) {
		r := Rate{}
		if s.chance(0.7) {
			r = s.anyRate()
		}
		ofKeys := s.cfg.Policy.KeyRate.Key != nil && s.chance(0.5)
		s.inLedger(func(s *sim, l *ledger) {
			l.answer(&rateRequest{rate: r, ofKeys: ofKeys, answer: func(error) {}})
			s.watch(l) // a gate may be new
			if ofKeys {
				s.everything.keyLimiter.set(l.instance, r)
			} else {
				s.everything.limiter.set(l.instance, r)
			}
		})
	}},
	{"set concurrency", 3, func(s *sim) {
		s.ask(&concurrencyRequest{n: 1 + s.below(s.cfg.Prefetch), answer: func(error) {}})
	}},
	{"rival", 8, func(s *sim) {
		if s.everything.rival != nil {
			s.everything.rival.play()
		}
	}},
	{"quota", 8, func(s *sim) {
		if s.everything.quota != nil {
			s.everything.quota.play()
		}
	}},
	{"rate", 8, func(s *sim) {
		if s.everything.rate != nil {
			s.everything.rate.play()
		}
	}},
	{"keys", 8, func(s *sim) {
		if s.everything.keys != nil {
			s.everything.keys.play()
		}
	}},
}
