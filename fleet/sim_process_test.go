package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue/memory"
)

// simProcess is one process of a fleet.
type simProcess struct {
	sim      *fleetSim
	name     string // of the node
	line     *simLine
	conn     *memory.Broker
	source   *simSource
	node     *fleet.Node
	consumer *gentask.Consumer
	tasks    sync.WaitGroup // joining, leaving
	work     sync.WaitGroup // calls of Only
	life     context.Context
	kill     context.CancelFunc

	// The mutex of the simulation guards these.
	joined  time.Time // zero before
	leaving bool
	gone    time.Time   // it has left; zero before
	starts  []time.Time // of runs
	wants   map[string]time.Time
}

func (s *fleetSim) newProcess(name string) *simProcess {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &simProcess{sim: s, name: name, conn: s.broker.Connect(), wants: map[string]time.Time{}}
	p.line = newSimLine(s, len(s.processes))
	p.source = &simSource{line: p.line, inner: s.queue}
	p.life, p.kill = context.WithCancel(context.Background())
	s.processes = append(s.processes, p)
	return p
}

// join starts a process, if there may be another one.
func (s *fleetSim) join(name string) {
	if len(s.processes) > len(s.systems)-simSpare && !s.quiet {
		return
	}
	p := s.newProcess(name)
	s.note("process %d joins as %s", p.line.number, name)
	p.tasks.Go(func() { p.join(true) })
}

// join joins the fleet, and starts what the process does.
func (p *simProcess) join(works bool) {
	ctx, cancel := context.WithTimeout(p.life, 10*time.Second)
	defer cancel()
	ctx = context.WithValue(ctx, simLabel{}, "join")
	b := &simBroker{p.line, p.conn, p.sim.bug}
	cfg := fleet.Config{Node: p.name, Logger: slog.New(slog.DiscardHandler)}
	var err error
	if works {
		p.consumer, err = gentask.New(p.source, gentask.Handle(p.run), p.config())
		if err != nil {
			panic(err) // it was drawn from what is allowed
		}
		p.node, err = fleet.Join(ctx, b, cfg, p.consumer)
	} else {
		p.node, err = fleet.Join(ctx, b, cfg)
	}
	p.sim.mu.Lock()
	defer p.sim.mu.Unlock()
	if err != nil {
		p.sim.noteLocked("process %d could not join", p.line.number) // which of two it names is chance
		if p.line.sound() && time.Since(p.line.calm) > 10*time.Second && !errors.Is(err, fleet.ErrNodeTaken) && p.life.Err() == nil {
			p.sim.failLocked("process %d could not join: %v", p.line.number, err)
		}
		p.leaving = true
		return
	}
	p.joined = time.Now()
	p.sim.noteLocked("process %d has joined", p.line.number)
	if works {
		p.start()
	}
}

func (p *simProcess) config() gentask.Config {
	plan := p.sim.plan
	return gentask.Config{
		Name:        fmt.Sprint("consumer", p.line.number),
		Concurrency: plan.concurrency, Prefetch: plan.prefetch,
		Timeout: -1, DrainTimeout: -1, FinishLost: false,
		Retry:     gentask.Retry{MaxAttempts: -1, Backoff: gentask.Backoff{Base: 1, Max: 1}}, // the jitter of more would differ
		Reconnect: gentask.Backoff{Base: 1, Max: 1},
		Policy:    gentask.Policy{Fleet: gentask.FleetLimits{Concurrency: plan.limit}},
		Logger:    slog.New(slog.DiscardHandler),
		System:    p.sim.systems[p.line.number-1],
	}
}

// start starts the consumer, and the functions of Only.
func (p *simProcess) start() {
	if err := p.consumer.Start(); err != nil {
		p.sim.failLocked("start: %v", err)
	}
	for _, name := range p.sim.plan.names {
		p.work.Go(func() { p.takeTurns(name) })
	}
}

// leave takes the process out of the fleet, in good order.
func (p *simProcess) leave() {
	p.sim.mu.Lock()
	p.leaving = true
	p.sim.mu.Unlock()
	p.kill()
	if p.consumer != nil {
		if _, err := p.consumer.Stop(context.Background()); err != nil {
			p.sim.fail("stop: %v", err)
		}
	}
	if p.node != nil {
		if err := p.node.Close(); err != nil {
			p.sim.fail("close: %v", err)
		}
	}
	p.work.Wait()
	p.sim.mu.Lock()
	defer p.sim.mu.Unlock()
	if p.gone.IsZero() {
		p.gone, p.sim.troubled = time.Now(), time.Now()
	}
}

// crash kills the process: its connections are gone, and nothing is given back.
func (p *simProcess) crash() {
	p.sim.mu.Lock()
	defer p.sim.mu.Unlock()
	p.line.add(simDead, 1)
	p.conn.Cut()
	p.source.lose()
	p.sim.stopped(p)
}

// suffer begins a fault that lasts for d.
func (p *simProcess) suffer(f simFault, d time.Duration) {
	s := p.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteLocked("process %d is %v for %v", p.line.number, f, d)
	p.line.add(f, 1)
	switch f {
	case simCut:
		p.conn.Cut()
	case simFrozen:
		s.stopped(p)
		if d > 3*time.Second {
			p.source.lose() // the broker gets no heartbeat
		}
	case simSlow, simFlaky, simDead, simFaults:
	}
	time.AfterFunc(d|1, func() { s.recover(p, f) })
}

// recover ends a fault, unless it has ended.
func (s *fleetSim) recover(p *simProcess, f simFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.line.faults[f] == 0 {
		return
	}
	s.noteLocked("process %d is not %v any more", p.line.number, f)
	p.line.add(f, -1)
	s.thawed(p)
}

// thawed restores what a fault has stopped. The mutex is held.
func (s *fleetSim) thawed(p *simProcess) {
	if p.line.faults[simCut]+p.line.faults[simDead] == 0 {
		p.conn.Restore()
	}
	if !p.line.stands() {
		s.goesOn(p)
	}
}

// steady reports whether nothing has been wrong with the process since then: neither with its line,
// nor with the store. The mutex is held.
func (p *simProcess) steady(since time.Time) bool { return !p.steadySince().After(since) }

// steadySince returns since when nothing was wrong, and a time in the future if something is.
func (p *simProcess) steadySince() time.Time {
	if p.joined.IsZero() || p.leaving || !p.line.sound() {
		return time.Now().Add(time.Hour)
	}
	at := p.line.calm.Add(simLinger)
	for _, other := range []time.Time{p.joined, p.sim.wiped} {
		if other.After(at) {
			at = other
		}
	}
	return at
}

// simLinger is how long after a fault a call may still suffer from it.
const simLinger = 700 * time.Millisecond

// working returns the processes that are there, and whose consumers run.
func (s *fleetSim) working() []*simProcess {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*simProcess
	for _, p := range s.processes[1:] {
		if !p.joined.IsZero() && !p.leaving && p.line.faults[simDead] == 0 && !p.isDrained() {
			all = append(all, p)
		}
	}
	return all
}

// isDrained reports whether the consumer has ended by a command.
func (p *simProcess) isDrained() bool { return p.consumer.Health().State == gentask.Stopped }
