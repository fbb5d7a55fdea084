package rig

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/queue/queuetest"
)

// Broker is where scenarios run.
type Broker struct {
	// Name is that of the sub-test.
	Name string

	// Virtual means that queues do no real I/O: scenarios run in a synctest bubble.
	Virtual bool

	// Queue makes a fresh, empty queue, and registers its clean-up with t.Cleanup.
	Queue func(t testing.TB) Fixture
}

// Fixture is one queue of a broker. Of the embedded fixture, which is the one of the conformance
// suite, Source and Publisher are required.
type Fixture struct {
	queuetest.Fixture

	// Left returns how many messages are in the queue, in any state, except dead letters. Nil if
	// the broker has no cheap way to count them. Then the spy's count is used, which is right as
	// long as no session is lost.
	Left func(ctx context.Context) (int, error)

	// Memory is the queue itself, where the broker is package memory; nil otherwise.
	Memory *memory.Queue
}

// Memory is the queue in the process, with its journal, and virtual time.
func Memory() Broker { return MemoryWith(memory.Config{}) }

// MemoryWith is Memory with a name, a seed, or faults. The journal is always kept.
func MemoryWith(cfg memory.Config) Broker {
	cfg.Journal = true
	return Broker{Name: "memory", Virtual: true, Queue: func(t testing.TB) Fixture {
		t.Helper()
		q := memory.New(cfg)
		t.Cleanup(q.Close)
		f := Fixture{Memory: q}
		f.Source, f.Publisher = q, q
		f.DeadLetters = func(context.Context) ([]queue.Message, error) { return q.DeadLetters(), nil }
		f.Break = func() { q.LoseSessions() }
		f.Held = func(context.Context) (int, error) { return q.Stats().Held, nil }
		f.Left = func(context.Context) (int, error) {
			s := q.Stats()
			return s.Ready + s.Delayed + s.Held, nil
		}
		return f
	}}
}

// Run runs the scenario on a fresh queue, and then checks the invariants.
func (b Broker) Run(t *testing.T, scenario func(r *Rig)) {
	t.Helper()
	if !b.Virtual {
		b.run(t, scenario)
		return
	}
	synctest.Test(t, func(t *testing.T) {
		b.run(t, scenario)
	})
}

func (b Broker) run(t *testing.T, scenario func(r *Rig)) {
	t.Helper()
	r := newRig(t, b)
	scenario(r)
	r.finish()
}
