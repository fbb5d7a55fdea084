package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

// simKind is the kind of a command. The set is closed.
type simKind uint8

const (
	simPause simKind = iota
	simBreaker
	simReset
	simRate
	simConcurrency
	simCancel
	simDrain
)

// simCommand is a command to give. The zero value of each kind takes it back.
type simCommand struct {
	kind   simKind
	on     bool
	number int
	target string // a job, or a node
}

// simRecord is a command as it was written.
type simRecord struct {
	Kind        string
	On          bool
	Concurrency int
	Rate        *fleet.Rate
	Reset       uint64
	Job         string
	Instance    string
	Reason      string
	Generation  uint64

	at time.Time
}

// command gives a command, and checks what becomes of it.
func (s *fleetSim) command(by *simProcess, c simCommand, report bool) {
	s.commands++
	token := fmt.Sprint("c", s.commands)
	s.note("process %d commands %s: %+v", by.line.number, token, c)
	if c.kind == simCancel {
		s.cancelled[c.target] = true
	}
	s.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), simLabel{}, token), 4*time.Second)
		defer cancel()
		begun := time.Now()
		given, err := c.give(ctx, by.node, gentask.Author{By: "sim", Reason: token})
		s.commanded(by, token, begun, given, err)
		if err == nil && report {
			s.report(by, given, token, begun)
		}
	})
}

func (c simCommand) give(ctx context.Context, n *fleet.Node, a gentask.Author) (*fleet.Command, error) {
	switch c.kind {
	case simPause:
		if c.on {
			return n.Pause(ctx, simQueue, a)
		}
		return n.Resume(ctx, simQueue, a)
	case simBreaker:
		if c.on {
			return n.OpenBreaker(ctx, simQueue, a)
		}
		return n.ReleaseBreaker(ctx, simQueue, a)
	case simReset:
		return n.ResetBreaker(ctx, simQueue, a)
	case simRate:
		if c.number == 0 {
			return n.SetRate(ctx, simQueue, nil, a)
		}
		return n.SetRate(ctx, simQueue, &gentask.Rate{PerSecond: float64(c.number), Burst: 1}, a)
	case simConcurrency:
		return n.SetConcurrency(ctx, simQueue, c.number, a)
	case simCancel:
		if c.on {
			return n.Cancel(ctx, simQueue, c.target, a)
		}
		return n.Uncancel(ctx, simQueue, c.target, a)
	case simDrain:
		return n.Drain(ctx, c.target, a)
	}
	panic(c.kind)
}

// commanded checks that a command that was confirmed was written, once, and that one that was
// refused was not.
func (s *fleetSim) commanded(by *simProcess, token string, begun time.Time, given *fleet.Command, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteLocked("%s: %v", token, err)
	written, found := s.tokens[token]
	switch {
	case err == nil && !found:
		s.failLocked("%s was confirmed, and not written", token)
	case err == nil && written.Generation != given.Generation:
		s.failLocked("%s was confirmed as generation %d, and written as %d", token, given.Generation, written.Generation)
	case err == nil || errors.Is(err, fleet.ErrUnknownNode) || errors.Is(err, queue.ErrClosed):
	case found && !errors.Is(err, queue.ErrUncertain):
		s.failLocked("%s was written, and its error is %v", token, err)
	case by.steady(begun):
		s.failLocked("%s failed: %v", token, err)
	}
}

// report checks that each node that was there all the time has carried a command out.
func (s *fleetSim) report(by *simProcess, given *fleet.Command, token string, begun time.Time) {
	acks, err := given.Report(context.WithValue(context.Background(), simLabel{}, "report "+token))
	s.mu.Lock()
	defer s.mu.Unlock()
	if !by.steady(begun) {
		return
	}
	if err != nil {
		s.failLocked("report of %s: %v", token, err)
	}
	done := map[int]bool{}
	for _, a := range acks {
		done[s.instances[a.Instance]] = !a.Pending
	}
	for _, p := range s.processes[1:] {
		if p.steady(begun) && !done[p.line.number] && given.Kind != "drained" {
			s.failLocked("%s was not carried out by process %d: %+v", token, p.line.number, acks)
		}
	}
}

// applied records a write that was applied, or was not.
func (s *fleetSim) applied(l *simLine, key string, value []byte, revision queue.Revision, err error) {
	alias := l.alias(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteLocked("        %d put %s: %v", l.number, alias, err)
	if err != nil || !strings.HasPrefix(key, "command.") {
		return
	}
	r := simRecord{at: time.Now()}
	if err := json.Unmarshal(value, &r); err != nil {
		s.failLocked("a record that is none: %s", value)
	}
	before := s.records[key]
	if r.Generation != before.Generation+1 {
		s.failLocked("%s has generation %d, revision %d, after %d", key, r.Generation, revision, before.Generation)
	}
	if _, twice := s.tokens[r.Reason]; twice && time.Since(s.wiped) > 10*time.Second {
		s.failLocked("%s was written twice", r.Reason)
	}
	s.records[key], s.tokens[r.Reason] = r, r
}

func (s *fleetSim) deleted(l *simLine, key string, err error) {
	s.note("        %d delete %s: %v", l.number, l.alias(key), err)
}

// query asks who is there, and checks the answer.
func (s *fleetSim) query(by *simProcess) {
	s.commands++
	label := fmt.Sprint("query", s.commands)
	s.note("process %d asks: %s", by.line.number, label)
	s.work.Go(func() {
		begun := time.Now()
		nodes, err := by.node.Nodes(context.WithValue(context.Background(), simLabel{}, label))
		s.asked(by, label, begun, nodes, err)
	})
}

func (s *fleetSim) asked(by *simProcess, label string, begun time.Time, nodes []fleet.NodeStatus, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteLocked("%s: %d nodes, %v", label, len(nodes), err)
	if !by.steady(begun) {
		return
	}
	if err != nil {
		s.failLocked("%s failed: %v", label, err)
	}
	there := map[int]int{}
	for _, n := range nodes {
		there[s.instances[n.Instance]]++
	}
	for _, p := range s.processes[1:] {
		n := there[p.line.number]
		switch {
		case n > 1:
			s.failLocked("%s: process %d is there %d times", label, p.line.number, n)
		case n == 0 && p.steady(begun):
			s.failLocked("%s: process %d is missing", label, p.line.number)
		case n > 0 && p.away(begun):
			s.failLocked("%s: process %d is there, and can't be reached", label, p.line.number)
		}
	}
}

// away reports whether the process could not be reached all the time since then.
func (p *simProcess) away(since time.Time) bool {
	if !p.gone.IsZero() {
		return p.gone.Before(since)
	}
	return p.line.touched.Before(since) && p.line.faults[simCut]+p.line.faults[simFrozen]+p.line.faults[simDead] > 0
}
