package gentask_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// TestScenario14_ConsumerActorDies: with 10 jobs running, the ledger dies, or the task supervisor, whose loss it does not survive. The old
// session is closed, the contexts are cancelled, no job ever runs twice at once, though some take long to stop, and consumption resumes.
func TestScenario14_ConsumerActorDies(t *testing.T) {
	for _, victim := range []string{"ledger", "tasks", "partition"} {
		t.Run(victim, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) { consumerDies(r, victim) })
		})
	}
}

func consumerDies(r *rig.Rig, victim string) {
	r.Allow.Crashes = true
	const running, jobs = 10, 30
	var killed, cancelled atomic.Int32
	r.Publish(jobs)
	r.Start(r.Handle(func(ctx context.Context, _ string) error {
		if killed.Load() > 0 {
			return nil
		}
		<-ctx.Done()
		cancelled.Add(1)
		time.Sleep(time.Second) // slow to stop, but within the grace
		return ctx.Err()
	}), gentask.Config{Concurrency: running, Timeout: -1})
	r.Eventually("ten run", func() bool { return r.Runs.Now() == running })
	killed.Store(1)
	r.Kill(victim)
	r.Eventually("all ten are cancelled", func() bool { return cancelled.Load() == running })
	r.Finish()
	require.Equal(r, 2, r.Memory.Stats().Opened)
	require.Equal(r, running+jobs, r.Runs.Total())
	require.Empty(r, r.Runs.Overlaps())
	require.Equal(r, gentask.Consuming, r.Nodes()[0].Health().State)
}

// TestScenario14_SessionClosedBeforeTheNextOpens: at no time has the node two sessions.
func TestScenario14_SessionClosedBeforeTheNextOpens(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes = true
		r.Publish(500)
		r.Start(r.Handle(func(ctx context.Context, _ string) error { return pause(ctx, 50*time.Millisecond) }),
			gentask.Config{Concurrency: 5, MaxAttempts: -1, Backoff: gentask.Backoff{Base: time.Millisecond}})
		for range 9 {
			time.Sleep(time.Second)
			require.LessOrEqual(r, r.Memory.Stats().Sessions, 1)
			r.Kill("ledger")
			require.Zero(r, r.Memory.Stats().Sessions)
		}
		r.Finish()
	})
}

// TestScenario14_LedgerPanics: the ledger is started anew, the user hears of it, and nothing is lost.
func TestScenario14_LedgerPanics(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes = true
		r.Publish(50)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { return pause(ctx, 10*time.Millisecond) }),
			gentask.Config{Concurrency: 3, Backoff: gentask.Backoff{Base: time.Millisecond}})
		for range 3 {
			r.Eventually("some run", func() bool { return r.Runs.Now() > 0 })
			gentask.Sabotage(c, func(*int) { panic("a bug") })
			r.Rest()
		}
		r.Finish()
		require.Equal(r, 4, r.Memory.Stats().Opened)
	})
}

// TestScenario14_BrokenDriver: one that hands out nothing, and calls it a delivery, loses its session and no more.
func TestScenario14_BrokenDriver(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		broken := &brokenSource{Source: r.Source, every: 5, times: 3}
		r.Source = broken
		r.Publish(50)
		r.Start(r.Handle(func(ctx context.Context, _ string) error { return pause(ctx, 10*time.Millisecond) }), gentask.Config{Concurrency: 3})
		r.Finish()
		require.Equal(r, 4, r.Memory.Stats().Opened)
		require.Len(r, r.Events(gentask.EventSessionLost), 3)
	})
}

// brokenSource is a driver that hands out nothing, and calls it a delivery.
type brokenSource struct {
	queue.Source
	mu           sync.Mutex
	calls        int
	every, times int // which calls, and how often
}

func (s *brokenSource) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	session, err := s.Source.Open(ctx, opts)
	return &brokenSession{session, s}, err
}

func (s *brokenSource) strikes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.times == 0 || s.calls%s.every != 0 {
		return false
	}
	s.times--
	return true
}

type brokenSession struct {
	queue.Session
	source *brokenSource
}

func (s *brokenSession) Receive(ctx context.Context) (*queue.Delivery, error) {
	if s.source.strikes() {
		return nil, nil //nolint:nilnil // that is what is broken
	}
	return s.Session.Receive(ctx)
}
