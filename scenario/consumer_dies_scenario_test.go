package scenario_test

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// TestScenario14_ConsumerActorDies: with 10 jobs running, the ledger dies, or the task supervisor,
// whose loss it does not survive. The old session is closed, the contexts are cancelled, no job
// ever runs twice at once, though some take long to stop, and consumption resumes. A partition of
// the task supervisor that dies abandons its tasks, so those may run beside their next run.
func TestScenario14_ConsumerActorDies(t *testing.T) {
	for _, victim := range []string{"ledger", "tasks", "partition"} {
		t.Run(victim, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) { consumerDies(r, victim) })
		})
	}
}

func consumerDies(r *rig.Rig, victim string) {
	r.Allow.Crashes = true
	r.Allow.Overlaps = victim == "partition" // no part is left to wait for its tasks: they are abandoned at once
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
	r.Eventually("all have returned", func() bool { return r.Runs.Now() == 0 })
	require.Equal(r, 2, r.Memory.Stats().Opened)
	require.GreaterOrEqual(r, r.Runs.Total(), running+jobs)
	require.LessOrEqual(r, r.Runs.Total(), 2*running+jobs, "what was done, but not acknowledged any more, is done again")
	require.Equal(r, gentask.Consuming, r.Nodes()[0].Health().State)
}

// TestScenario14_SessionClosedBeforeTheNextOpens: at no time has the node two sessions.
func TestScenario14_SessionClosedBeforeTheNextOpens(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes = true
		r.Publish(500)
		r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, 50*time.Millisecond) }),
			gentask.Config{Concurrency: 5, Retry: gentask.Retry{MaxAttempts: -1, Backoff: gentask.Backoff{Base: time.Millisecond}}})
		for range 9 {
			time.Sleep(time.Second)
			require.LessOrEqual(r, r.Memory.Stats().Sessions, 1)
			r.Kill("ledger")
			require.Zero(r, r.Memory.Stats().Sessions)
		}
		r.Finish()
	})
}

// TestScenario14_BrokenDriver: each broken rule costs a driver its session and no more.
func TestScenario14_BrokenDriver(t *testing.T) {
	for name, f := range map[string]func(){
		"Panic":   func() { panic("driver") },
		"Goexit":  runtime.Goexit,
		"Nothing": func() {}, // it hands out nothing, and calls it a delivery
	} {
		for call := range calls {
			if name == "Nothing" && call != "Receive" {
				continue
			}
			t.Run(name+"In"+call, func(t *testing.T) {
				rig.Memory().Run(t, func(r *rig.Rig) {
					const times = 3
					broken := &brokenSource{Source: r.Source, call: call, left: times, harm: f}
					r.Source = broken
					r.Publish(50)
					c := r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, 10*time.Millisecond) }),
						gentask.Config{Concurrency: 3, Retry: gentask.Retry{Backoff: gentask.Backoff{Base: time.Millisecond}}})
					for range times {
						time.Sleep(500 * time.Millisecond)
						require.NoError(r, c.Pause(r.Context())) // Cancel and Resume are called, too
						r.Rest()
						require.NoError(r, c.Resume(r.Context()))
						r.Rest()
						r.Break() // and Close
					}
					r.Finish()
					r.Eventually("it has been broken", func() bool { return broken.strikes() == times })
				})
			})
		}
	}
}

// TestScenario14_StuckDriver: one that doesn't return, even after the end of its context, costs its
// session and a goroutine. The consumer goes on with the next session, ends in time, and reports
// it.
func TestScenario14_StuckDriver(t *testing.T) {
	for call := range calls {
		for _, drains := range []bool{false, true} {
			if drains && call == "Resume" {
				continue // which isn't called
			}
			t.Run(call+"/drains "+strconv.FormatBool(drains), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { stuckIn(t, call, drains) })
			})
		}
	}
}

func stuckIn(t *testing.T, call string, drains bool) {
	q, release := memory.New(memory.Config{}), make(chan struct{})
	stuck := &brokenSource{Source: q, call: call, left: 1, harm: func() { <-release }}
	var told atomic.Int64
	c, err := gentask.New(stuck, gentask.Handle(func(context.Context, string) error { return nil }), gentask.Config{
		OpenTimeout: 5 * time.Second, OnEvent: func(ev gentask.Event) {
			if ev.Kind == gentask.EventDriverStuck {
				told.Add(1)
			}
		},
	})
	require.NoError(t, err)
	require.NoError(t, c.Start())
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "1", Body: []byte(`"1"`)}))
	synctest.Wait()
	if !drains {
		require.NoError(t, c.Pause(t.Context()))
		synctest.Wait()
		if call != "Resume" {
			q.LoseSessions()
		}
		require.NoError(t, c.Resume(t.Context()))
		require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "2", Body: []byte(`"2"`)}))
		time.Sleep(time.Minute)
		require.Equal(t, gentask.Consuming, c.Health().State)
		require.Equal(t, 2, q.Stats().Acked)
	}
	start := time.Now()
	_, err = c.Stop(t.Context())
	require.NoError(t, err)
	require.LessOrEqual(t, time.Since(start), time.Minute)
	require.Equal(t, 1, stuck.strikes())
	require.EqualValues(t, 1, told.Load())
	close(release)
	synctest.Wait()
	require.Zero(t, q.Stats().Held)
}

var calls = map[string]bool{"Open": true, "Receive": true, "Settle": true, "Cancel": true, "Resume": true, "Close": true}

// brokenSource is a driver that does harm in the first calls of one of its methods.
type brokenSource struct {
	queue.Source
	call string
	harm func()

	mu       sync.Mutex
	left     int
	stricken int
}

func (s *brokenSource) strikes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stricken
}

func (s *brokenSource) enter(call string) (harmed bool) {
	s.mu.Lock()
	harmed = call == s.call && s.left > 0
	if harmed {
		s.left--
		s.stricken++
	}
	s.mu.Unlock()
	if harmed {
		s.harm()
	}
	return harmed
}

func (s *brokenSource) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	s.enter("Open")
	session, err := s.Source.Open(ctx, opts)
	return &brokenSession{session, s}, err
}

type brokenSession struct {
	queue.Session
	source *brokenSource
}

func (s *brokenSession) Receive(ctx context.Context) (*queue.Delivery, error) {
	if s.source.enter("Receive") {
		return nil, nil //nolint:nilnil // that is what is broken
	}
	return s.Session.Receive(ctx)
}

func (s *brokenSession) Settle(ctx context.Context, batch []queue.Settlement) error {
	s.source.enter("Settle")
	return s.Session.Settle(ctx, batch)
}

func (s *brokenSession) Cancel(ctx context.Context) error {
	s.source.enter("Cancel")
	return s.Session.Cancel(ctx)
}

func (s *brokenSession) Resume(ctx context.Context) error {
	s.source.enter("Resume")
	return s.Session.Resume(ctx)
}

func (s *brokenSession) Close(ctx context.Context) error {
	defer s.source.enter("Close")
	return s.Session.Close(ctx)
}

// TestScenario14_AbandonedTasksAreCountedOn: what an earlier ledger had to abandon still runs, and
// still counts.
func TestScenario14_AbandonedTasksAreCountedOn(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes, r.Allow.Overlaps = true, true
		release := make(chan struct{})
		r.Publish(1)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error {
			if job, _ := gentask.FromContext(ctx); job.Attempt() == 1 {
				<-release
			}
			return nil
		}), gentask.Config{
			Concurrency: 2, Timeout: time.Second, Grace: time.Second, Retry: gentask.Retry{Backoff: gentask.Backoff{Base: 20 * time.Second}},
		})
		r.Eventually("it is abandoned", func() bool { return c.Health().Abandoned == 1 })
		r.Kill("ledger")
		r.Eventually("the next ledger consumes", func() bool { return c.Health().State == gentask.Consuming })
		require.Equal(r, 1, c.Health().Abandoned)
		close(release)
		r.Eventually("it has returned", func() bool { return c.Health().Abandoned == 0 && c.Health().Late == 1 })
		r.Finish()
	})
}
