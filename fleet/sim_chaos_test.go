package fleet_test

import (
	"fmt"
	"time"
)

// simAct is something that happens to the fleet.
type simAct struct {
	weight int
	do     func(*fleetSim)
}

var simActs = []simAct{
	{8, func(s *fleetSim) { s.publish(1 + s.IntN(5)) }},
	{6, func(s *fleetSim) { s.strike(simCut) }},
	{4, func(s *fleetSim) { s.strike(simFrozen) }},
	{3, func(s *fleetSim) { s.strike(simSlow) }},
	{6, func(s *fleetSim) { s.strike(simFlaky) }},
	{2, func(s *fleetSim) { s.kill() }},
	{2, func(s *fleetSim) { s.goodbye() }},
	{3, func(s *fleetSim) { s.join(fmt.Sprint("n", s.IntN(s.plan.nodes))) }},
	{2, func(s *fleetSim) { s.join(fmt.Sprint("new", s.IntN(100))) }},
	{1, func(s *fleetSim) { s.wipe() }},
	{1, func(s *fleetSim) { s.loseSession() }},
	{14, func(s *fleetSim) { s.anyCommand() }},
	{5, func(s *fleetSim) { s.query(s.anyone()) }},
}

// act draws one.
func (s *fleetSim) act() {
	sum := 0
	for _, a := range simActs {
		sum += a.weight
	}
	n := s.IntN(sum)
	for _, a := range simActs {
		if n -= a.weight; n < 0 {
			a.do(s)
			return
		}
	}
}

// some draws one of the processes that work; nil if there is none.
func (s *fleetSim) some() *simProcess {
	all := s.working()
	if len(all) == 0 {
		return nil
	}
	return all[s.IntN(len(all))]
}

// anyone draws one that can ask.
func (s *fleetSim) anyone() *simProcess {
	if p := s.some(); p != nil && s.IntN(2) == 0 {
		return p
	}
	return s.tool
}

func (s *fleetSim) strike(f simFault) {
	d := upTo(s.Rand, []time.Duration{500 * time.Millisecond, 2 * time.Second, 5 * time.Second}[s.IntN(3)])
	if p := s.some(); p != nil {
		p.suffer(f, d)
	}
}

func (s *fleetSim) kill() {
	if p := s.some(); p != nil {
		s.note("process %d is killed", p.line.number)
		p.crash()
	}
}

func (s *fleetSim) goodbye() {
	if p := s.some(); p != nil {
		s.note("process %d leaves", p.line.number)
		s.mu.Lock()
		p.leaving = true
		s.mu.Unlock()
		p.tasks.Go(p.leave)
	}
}

func (s *fleetSim) loseSession() {
	if p := s.some(); p != nil {
		s.note("process %d loses its session", p.line.number)
		s.mu.Lock()
		defer s.mu.Unlock()
		p.source.lose()
	}
}

// wipe makes the store again.
func (s *fleetSim) wipe() {
	if !s.plan.wipes {
		return
	}
	s.note("the store is made again")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broker.Wipe()
	s.wiped, s.records = time.Now(), map[string]simRecord{}
}

func (s *fleetSim) anyCommand() {
	c := simCommand{on: s.IntN(2) == 0}
	switch s.IntN(12) {
	case 0, 1:
		c.kind = simPause
	case 2:
		c.kind = simBreaker
	case 3:
		c.kind = simReset
	case 4, 5:
		c.kind, c.number = simRate, s.IntN(4)*5
	case 6, 7, 8:
		c.kind, c.number = simConcurrency, s.IntN(s.plan.prefetch+2)
	case 9, 10:
		c.kind, c.target = simCancel, fmt.Sprint("j", 1+s.IntN(s.published+3))
	case 11:
		p := s.some()
		if s.IntN(2) == 0 || p == nil {
			return
		}
		c.kind, c.target = simDrain, p.name
	}
	s.command(s.anyone(), c, s.IntN(2) == 0)
}
