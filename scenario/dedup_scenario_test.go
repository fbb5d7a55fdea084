package scenario_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/internal/rig/promises"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

// doneStore is a DedupStore in a map, that can fail.
type doneStore struct {
	mu     sync.Mutex
	done   map[string]bool
	told   func() // before it remembers
	asked  int
	broken func() error
}

func (s *doneStore) Done(_ context.Context, id string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.broken != nil {
		return true, s.broken()
	}
	return s.done[id], nil
}

func (s *doneStore) Remember(_ context.Context, id string) error {
	if s.told != nil {
		s.told()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken()
	}
	if s.done == nil {
		s.done = map[string]bool{}
	}
	s.done[id] = true
	return nil
}

// loseAck is a job that is done, and loses its session before it can be acknowledged, the first
// time.
func loseAck(r *rig.Rig) gentask.Behavior {
	var once sync.Once
	return r.Handle(func(context.Context, string) error {
		once.Do(func() { r.Memory.SetFaults(memory.Faults{LoseSession: memory.Times(1)}) })
		return nil
	})
}

// TestScenario31_DoneIsNotDoneAgain: a job whose ack was lost with the session is acknowledged when
// it comes again, and not run.
func TestScenario31_DoneIsNotDoneAgain(t *testing.T) {
	for name, policy := range map[string]gentask.Dedup{
		"Memory": {Remember: 10},
		"Store":  {Remember: -1, Store: &doneStore{}},
		"Both":   {Store: &doneStore{}},
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Publish(1)
				r.Start(loseAck(r), gentask.Config{Policy: gentask.Policy{Dedup: policy}})
				r.Finish()
				require.Equal(r, 1, r.Runs.Total())
				require.Equal(r, 1, r.Memory.Stats().Acked)
				promises.RequireDuplicates(r, 1)
			})
		})
	}
}

// TestScenario31_OffRunsAgain: without the policy, delivery is at least once.
func TestScenario31_OffRunsAgain(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(1)
		r.Start(loseAck(r), gentask.Config{})
		r.Finish()
		require.Equal(r, 2, r.Runs.Total())
		promises.RequireDuplicates(r, 0)
	})
}

// TestScenario31_AnotherNode: a node that shares the store does not repeat what was done elsewhere;
// the store has it before the broker.
func TestScenario31_AnotherNode(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		store := &doneStore{}
		policy := gentask.Policy{Dedup: gentask.Dedup{Remember: -1, Store: store}}
		store.told = func() { require.Zero(r, r.Memory.Stats().Acked) }
		r.Publish(1)
		first := r.Start(loseAck(r), gentask.Config{Policy: policy, Reconnect: gentask.Backoff{Base: time.Hour, Max: time.Hour}})
		r.Eventually("the ack is lost", func() bool { return r.Memory.Stats().Lost == 1 })
		r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{Policy: policy})
		r.Finish()
		r.Stop(first)
		require.Equal(r, 1, r.Runs.Total())
		promises.RequireDuplicates(r, 1)
	})
}

// TestScenario31_LateEnd: a job that is allowed to finish although its delivery is lost is done,
// too.
func TestScenario31_LateEnd(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(1)
		r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, 10*time.Second) }), gentask.Config{
			FinishLost: true, Policy: gentask.Policy{Dedup: gentask.Dedup{Remember: 10}},
		})
		r.Rest()
		r.Break()
		r.Finish()
		require.Equal(r, 1, r.Runs.Total())
		promises.RequireDuplicates(r, 1)
	})
}

// TestScenario31_OnlyAnAckedSuccessIsDone: what HandleResult wants tried again runs again, and so
// does what it acknowledged although it failed. A message that is published again under an old id
// runs, too.
func TestScenario31_OnlyAnAckedSuccessIsDone(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(1)
		r.Start(rig.Work(r, func(context.Context, []byte) (int, error) { return r.Runs.Total(), nil },
			func(job gentask.Job[[]byte], o task.Outcome[int]) gentask.Decision {
				if o.Value < 3 {
					return gentask.Requeue(time.Second)
				}
				return gentask.Ack()
			}), gentask.Config{Policy: gentask.Policy{Dedup: gentask.Dedup{Remember: 10}}})
		r.Finish()
		require.Equal(r, 3, r.Runs.Total())
		r.Send(queue.Message{ID: "1"})
		r.Finish()
		require.Equal(r, 4, r.Runs.Total())
		promises.RequireDuplicates(r, 0)
	})
}

// TestScenario31_BrokenStore: a store that fails, panics or hangs is loud, and loses no job: what
// it doesn't know runs, what is done is acknowledged.
func TestScenario31_BrokenStore(t *testing.T) {
	for name, broken := range map[string]func() error{
		"Error": func() error { return errOwn },
		"Panic": func() error { panic(errOwn) },
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Allow.Logged = true
				r.Publish(1)
				r.Start(loseAck(r), gentask.Config{
					Policy: gentask.Policy{Dedup: gentask.Dedup{Remember: -1, Store: &doneStore{broken: broken}}},
				})
				r.Finish()
				require.Equal(r, 2, r.Runs.Total())
				require.Equal(r, 1, r.Memory.Stats().Acked)
				failed := r.Events(gentask.EventDedupFailed)
				require.Len(r, failed, 3, "told twice, asked once")
				require.ErrorIs(r, failed[0].Reason, errOwn)
				require.Len(r, r.Logged(), 3)
			})
		})
	}
}

// TestScenario31_HungStore: what the store does not answer in time is as if it had failed.
func TestScenario31_HungStore(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Logged = true
		began, hang := time.Now(), make(chan struct{})
		defer close(hang)
		r.Publish(1)
		r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{
			Policy: gentask.Policy{Dedup: gentask.Dedup{Store: &doneStore{told: func() { <-hang }}}},
		})
		r.Finish()
		require.Equal(r, 3*time.Second, time.Since(began))
		require.ErrorIs(r, r.Events(gentask.EventDedupFailed)[0].Reason, context.DeadlineExceeded)
	})
}
