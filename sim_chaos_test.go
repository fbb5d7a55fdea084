package gentask

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// simAct is something that happens to the consumer from outside.
type simAct struct {
	name   string
	weight int
	do     func(*sim)
}

var simActs = []simAct{
	{"publish", 8, func(s *sim) { s.publish(1 + s.below(5)) }},
	{"pause", 3, func(s *sim) { s.ask(&pauseRequest{on: true, answer: func(error) {}}) }},
	{"resume", 6, func(s *sim) { s.ask(&pauseRequest{answer: func(error) {}}) }},
	{"cancel", 4, func(s *sim) { s.ask(&cancelRequest{id: s.someID(), answer: func(error) {}}) }},
	{"jobs", 1, func(s *sim) { s.ask(&jobsRequest{answer: func([]JobStatus) {}}) }},
	{"stray message", 1, func(s *sim) { s.ask("stray") }},
	{"kill worker", 4, func(s *sim) { s.inLedger(killWorker) }},
	{"stop task", 2, func(s *sim) { s.inLedger(stopTask) }},
	{"kill workers", 2, func(s *sim) { s.inLedger(func(_ *sim, l *ledger) { actor.Kill(l.sys, l.workers.supervisor) }) }},
	{"stop workers", 1, func(s *sim) { s.inLedger(func(_ *sim, l *ledger) { actor.Stop(l.sys, l.workers.supervisor) }) }},
	{"kill tasks", 1, func(s *sim) { s.inLedger(func(_ *sim, l *ledger) { actor.Kill(l.sys, l.tasks) }) }},
	{"kill ledger", 1, func(s *sim) { s.inLedger(func(_ *sim, l *ledger) { actor.Kill(l.sys, l.self) }) }},
	{"crash ledger", 1, func(s *sim) { s.inLedger(func(*sim, *ledger) { panic("simulated crash") }) }},
	{"lose session", 4, func(s *sim) { s.q.LoseSessions() }},
	{"faults", 4, func(s *sim) { s.faults() }},
	{"stop", 2, func(s *sim) { s.stop() }},
	{"start", 4, func(s *sim) { s.start() }},
}

// simKills wait for the workers, which a simulation with a HandleResult that hangs must be spared.
var simKills = []string{"kill workers", "stop workers", "kill tasks", "kill ledger", "crash ledger"}

// act draws one.
func (s *sim) act() {
	acts, sum := slices.Concat(simActs, simOverrideActs), 0
	if s.everything != nil {
		acts = append(acts, simFlowActs...)
	}
	for _, a := range acts {
		sum += a.weight
	}
	n := s.below(sum)
	for _, a := range acts {
		if n -= a.weight; n < 0 {
			if s.hanging && slices.Contains(simKills, a.name) {
				return
			}
			s.trace.note(a.name, "", 0)
			a.do(s)
			return
		}
	}
}

// inside is a request that runs in the ledger's own turn.
type simInside func(l *ledger)

func (f simInside) look(_ actor.Context, l *ledger) { f(l) }

func (s *sim) inLedger(f func(*sim, *ledger)) { s.ask(simInside(func(l *ledger) { f(s, l) })) }

// ask sends the ledger a message, if there is a ledger.
func (s *sim) ask(msg any) {
	if l := s.consumer.current(); l != nil {
		if pid := l.ledger.Load(); pid != nil && actor.Alive(s.sys, pid) {
			actor.Send(s.sys, pid, msg)
		}
	}
}

func killWorker(s *sim, l *ledger) {
	if e := s.someBusy(l); e != nil && e.workerPID() != nil {
		s.trace.note("killed worker of", e.delivery.ID, e.delivery.Attempt)
		actor.Kill(l.sys, e.workerPID())
	}
}

func stopTask(s *sim, l *ledger) {
	if e := s.someBusy(l); e != nil {
		if t := e.unfinished(); t != nil {
			s.trace.note("stopped task of", e.delivery.ID, e.delivery.Attempt)
			t.Stop(errSim, s.upTo(time.Second))
		}
	}
}

func (s *sim) someBusy(l *ledger) *entry {
	if l.busy.Len() == 0 {
		return nil
	}
	return l.busy.Slice()[s.below(l.busy.Len())]
}

func (s *sim) someID() string { return s.ids[s.below(len(s.ids))] }

// publish publishes n messages; some share an id with an earlier one, and some can't be decoded.
func (s *sim) publish(n int) {
	msgs := make([]queue.Message, 0, n)
	for range n {
		id := fmt.Sprintf("m%d", len(s.ids))
		if len(s.ids) > 0 && s.chance(0.2) {
			id = s.someID()
		}
		body := `{"ID":"` + id + `"}`
		if s.bad[id] || s.chance(0.05) && id == fmt.Sprintf("m%d", len(s.ids)) {
			s.bad[id] = true
			body = "{"
		}
		s.ids = append(s.ids, id)
		m := queue.Message{ID: id, Body: []byte(body)}
		if s.everything != nil {
			s.dress(&m)
		}
		msgs = append(msgs, m)
	}
	if err := s.q.Publish(context.Background(), msgs...); err != nil { // all at once: a Receive that waits is woken
		s.fail("publish: %v", err)
	}
}

// faults draws the broker's faults again.
func (s *sim) faults() {
	rate := func(most float64) memory.Fault {
		if s.chance(0.5) {
			return memory.Fault{}
		}
		return memory.Rate(most * s.float())
	}
	s.q.SetFaults(memory.Faults{
		LoseSession: rate(0.1), LoseAck: rate(0.05), LoseReply: rate(0.1), Duplicate: rate(0.1), Reorder: rate(0.5),
		RefuseOpen: rate(0.5), FailSettle: rate(0.3), Late: s.below(4),
		RefuseCopy: rate(0.8), CopyError: oneOf[error](s.conductor, nil, queue.ErrTooLarge), BlockCopy: s.chance(0.1),
		FailReturn: rate(0.5), CrudeReturn: s.chance(0.5),
	})
	s.broker.setSlow(oneOf(s.conductor, 0, 0, 0.05, 0.3))
}

// start starts the consumer, if it doesn't run.
func (s *sim) start() {
	if err := s.consumer.Start(); err == nil {
		s.trace.note("started", "", 0)
	}
}

// stop starts to stop the consumer.
func (s *sim) stop() {
	ctx := context.Background()
	if s.chance(0.5) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.between(time.Millisecond, 5*time.Second))
		s.cleanup = append(s.cleanup, cancel)
	}
	s.stops++
	s.conductor.start("stop", func() {
		s.stops--
		_, _ = s.consumer.Stop(ctx)
	})
}
