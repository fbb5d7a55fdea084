package fleet_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

const (
	// simFollow is how long a node that is reached takes at most to follow a command.
	simFollow = time.Second

	// simTakeover is how long it takes at most until a function of Only runs again.
	simTakeover = 2 * time.Second

	// simForgets is how long a node may take to notice that its lease is gone with the store.
	simForgets = 1500 * time.Millisecond
)

// enter notes that a job begins, and checks that it may.
func (s *fleetSim) enter(r *simRun) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := r.process
	s.noteLocked("    %d runs %s", p.line.number, r.what)
	s.active[r] = true
	if !r.live() {
		return
	}
	p.starts = append(p.starts, time.Now())
	s.census()
	s.obeys(r)
}

func (s *fleetSim) leave(r *simRun) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteLocked("    %d has run %s: %v", r.process.line.number, r.what, context.Cause(r.ctx))
	delete(s.active, r)
}

// census checks the limit of the whole fleet. The mutex is held.
func (s *fleetSim) census() {
	n := 0
	for r := range s.active {
		if r.live() {
			n++
		}
	}
	if s.plan.limit > 0 && n > s.plan.limit && s.remembers() {
		s.failLocked("%d jobs run, the limit is %d", n, s.plan.limit)
	}
}

// obeys checks that a job which begins is allowed by all commands that its process must follow by
// now. The mutex is held.
func (s *fleetSim) obeys(r *simRun) {
	p := r.process
	for _, key := range slices.Sorted(maps.Keys(s.records)) {
		c := s.records[key]
		since, must := p.mustFollow(c)
		if !must {
			continue
		}
		switch {
		case c.Kind == "paused" && c.On, c.Kind == "breaker_open" && c.On, c.Kind == "cancelled" && c.On && c.Job == r.what,
			c.Kind == "drained" && s.instances[c.Instance] == p.line.number:
			s.failLocked("%s begins on process %d, in spite of %s", r.what, p.line.number, c.Reason)
		case c.Kind == "concurrency" && c.Concurrency > 0 && c.Concurrency <= s.plan.prefetch && p.running() > c.Concurrency:
			s.failLocked("%d jobs run on process %d, in spite of %s", p.running(), p.line.number, c.Reason)
		case c.Kind == "rate" && c.Rate != nil && c.Rate.PerSecond > 0 && p.startedSince(since) > c.Rate.PerSecond*time.Since(since).Seconds()+1.001:
			s.failLocked("%v runs began on process %d within %v, in spite of %s", p.startedSince(since), p.line.number, time.Since(since), c.Reason)
		}
	}
}

// mustFollow returns since when the process must follow a command, and reports whether it must.
func (p *simProcess) mustFollow(c simRecord) (since time.Time, must bool) {
	since = p.steadySince()
	if c.at.After(since) {
		since = c.at
	}
	since = since.Add(simFollow)
	return since, time.Now().After(since)
}

func (p *simProcess) running() (n int) {
	for r := range p.sim.active {
		if r.process == p && r.live() {
			n++
		}
	}
	return n
}

func (p *simProcess) startedSince(at time.Time) (n float64) {
	for _, t := range p.starts {
		if t.After(at) {
			n++
		}
	}
	return n
}

// remembers reports whether all processes have noticed that the store was made again. Before that,
// several may have the same thing. The mutex is held.
func (s *fleetSim) remembers() bool { return time.Since(s.wiped) > simForgets }

// begin notes that a function of Only begins, unless its context has ended, and checks that it may.
func (s *fleetSim) begin(r *simRun) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.only[r.what]
	if !r.live() {
		return false
	}
	s.noteLocked("  %d runs %s", r.process.line.number, r.what)
	if r.epoch <= o.epoch && s.remembers() {
		s.failLocked("%s has epoch %d after %d", r.what, r.epoch, o.epoch)
	}
	s.gap(o)
	o.runs[r], o.epoch, o.idle = true, max(o.epoch, r.epoch), time.Time{}
	s.alone(o)
	return true
}

func (s *fleetSim) finish(r *simRun) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteLocked("  %d has run %s: %v", r.process.line.number, r.what, context.Cause(r.ctx))
	o := s.only[r.what]
	delete(o.runs, r)
	if o.live() == 0 && o.idle.IsZero() {
		o.idle = time.Now()
	}
}

func (o *simOnly) live() (n int) {
	for r := range o.runs {
		if r.live() {
			n++
		}
	}
	return n
}

// alone checks that a function runs on one process. The mutex is held.
func (s *fleetSim) alone(o *simOnly) {
	if n := o.live(); n > 1 && s.remembers() {
		s.failLocked("%s runs on %d processes", o.name, n)
	}
}

// gap checks that a function that does not run has not been idle for too long. The mutex is held.
func (s *fleetSim) gap(o *simOnly) {
	if o.live() > 0 || o.idle.IsZero() {
		return
	}
	for _, p := range s.processes[1:] {
		since := p.steadySince()
		for _, at := range []time.Time{o.idle, s.troubled.Add(simLinger), p.wants[o.name]} {
			if at.After(since) {
				since = at
			}
		}
		if !p.wants[o.name].IsZero() && time.Since(since) > simTakeover {
			s.failLocked("%s has not run for %v, and process %d waits for it", o.name, time.Since(o.idle), p.line.number)
			return
		}
	}
}

// stopped notes that a process stands still. The mutex is held.
func (s *fleetSim) stopped(*simProcess) {
	for _, o := range s.only {
		if o.live() == 0 && o.idle.IsZero() {
			o.idle = time.Now()
		}
	}
}

// goesOn checks what a process does that stood still. The mutex is held.
func (s *fleetSim) goesOn(*simProcess) {
	s.census()
	for _, o := range s.only {
		s.alone(o)
		if o.live() > 0 {
			o.idle = time.Time{}
		}
	}
}

// check checks what must hold at any time.
func (s *fleetSim) check() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.plan.names {
		s.gap(s.only[name])
	}
	for _, p := range s.processes[1:] {
		if p.steady(time.Now().Add(-simFollow)) {
			s.follows(p)
		}
	}
}

// follows checks that a process follows the commands that are in force. The mutex is held.
func (s *fleetSim) follows(p *simProcess) {
	o := p.consumer.Health().Overrides
	want, free := map[string]string{}, map[string]bool{}
	for _, c := range s.records {
		kind := c.Kind
		if kind == "cancelled" {
			kind += " " + c.Job
		}
		if _, must := p.mustFollow(c); !must {
			free[kind] = true
		}
		if kind == "drained" && s.instances[c.Instance] != p.line.number {
			continue
		}
		if c.Kind == "concurrency" && c.Concurrency > s.plan.prefetch {
			continue
		}
		want[kind] = c.value()
	}
	has := shown(&o)
	for _, kind := range slices.Sorted(maps.Keys(has)) {
		if want[kind] != has[kind] && !free[kind] {
			s.failLocked("process %d has %s %q; want %q", p.line.number, kind, has[kind], want[kind])
		}
		delete(want, kind)
	}
	for kind, value := range want {
		if !free[kind] && value != "" {
			s.failLocked("process %d has no %s; want %q", p.line.number, kind, value)
		}
	}
}

// value is the value of a command, and its reason.
func (c simRecord) value() string {
	if c.Kind == "cancelled" && !c.On {
		return ""
	}
	rate := "none"
	if c.Rate != nil {
		rate = fmt.Sprint(c.Rate.PerSecond)
	}
	return fmt.Sprint(c.On || c.Kind == "breaker_reset", c.Concurrency, rate, c.Reset, c.Reason)
}

// shown is the same of overrides.
func shown(o *gentask.Overrides) map[string]string {
	all := map[string]string{}
	add := func(kind string, a gentask.Author, on bool, n int, r *gentask.Rate, reset uint64) {
		rate := "none"
		if r != nil {
			rate = fmt.Sprint(r.PerSecond)
		}
		if a.Reason != "" {
			all[kind] = fmt.Sprint(on, n, rate, reset, a.Reason)
		}
	}
	add("paused", o.Paused.Author, o.Paused.Value, 0, nil, 0)
	add("breaker_open", o.BreakerOpen.Author, o.BreakerOpen.Value, 0, nil, 0)
	add("drained", o.Drained.Author, o.Drained.Value, 0, nil, 0)
	add("concurrency", o.Concurrency.Author, false, o.Concurrency.Value, nil, 0)
	add("rate", o.Rate.Author, false, 0, o.Rate.Value, 0)
	add("breaker_reset", o.BreakerReset.Author, true, 0, nil, o.BreakerReset.Value)
	for id, a := range o.Cancelled {
		add("cancelled "+id, a, true, 0, nil, 0)
	}
	return all
}

// settled checks the books of the queue when all jobs are done.
func (s *fleetSim) settled() {
	if err := s.queue.Check(); err != nil {
		s.fail("%v", err)
	}
	ends := map[string]int{}
	for _, e := range s.queue.Journal() {
		if e.Op != memory.Settled {
			continue
		}
		switch e.Disposition {
		case queue.Ack:
			ends[e.ID]++
		case queue.DeadLetter:
			ends[e.ID]++
			if !s.cancelled[e.ID] {
				s.fail("%s was dead-lettered, and never cancelled", e.ID)
			}
		case queue.Requeue, queue.Release:
		}
	}
	for i := range s.published {
		if id := fmt.Sprint("j", i+1); ends[id] != 1 {
			s.fail("%s was settled for good %d times", id, ends[id])
		}
	}
}

// nothingLeft checks that all leases are over, and with them all that was held.
func (s *fleetSim) nothingLeft() {
	store, err := s.broker.Store(context.Background(), "gentask")
	if err != nil {
		s.fail("%v", err)
		return
	}
	defer store.Close()
	if n, err := store.Count(context.Background(), "lease"); n != 0 || err != nil {
		s.fail("%d leases are left, %v", n, err)
	}
}
