package scenario_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

// silent is for tests in which nothing is to be read in the log.
var silent = slog.New(slog.DiscardHandler)

// filled returns a queue with n messages, whose ids and bodies are numbers from 1.
func filled(t *testing.T, n int) *memory.Queue {
	t.Helper()
	q := memory.New(memory.Config{})
	for i := range n {
		id := strconv.Itoa(i + 1)
		require.NoError(t, q.Publish(t.Context(), queue.Message{ID: id, Body: []byte(id)}))
	}
	return q
}

// TestScenario39_EventsAreBounded: OnEvent blocks for ever and the context of Run ends. Run
// returns, and 20,000 jobs have left no more events behind than the bound.
func TestScenario39_EventsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const jobs = 20_000
		release, q := make(chan struct{}), filled(t, jobs)
		calls := 0
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		cfg := gentask.Config{Concurrency: 50, Logger: silent, OnEvent: func(gentask.Event) { calls++; <-release }}
		run := gentask.Handle(func(context.Context, int) error { return nil })
		go func() { ended <- gentask.Run(ctx, q, run, cfg) }()
		require.NoError(t, q.WaitEmpty(t.Context()))
		begin := time.Now()
		cancel()
		require.NoError(t, <-ended)
		require.LessOrEqual(t, time.Since(begin), 15*time.Second)
		close(release)
		synctest.Wait()
		require.LessOrEqual(t, calls, 16<<10+1)
		require.Greater(t, calls, 10_000)
		time.Sleep(2 * time.Second)
	})
}

// TestScenario39_FunctionsThatHangAreBounded: of each function that hangs for 10 minutes no more
// than 16 calls, and those that are made at the same time, are left behind; jobs are done without
// it, and the node reports it.
func TestScenario39_FunctionsThatHangAreBounded(t *testing.T) {
	const jobs, concurrency = 500, 10
	for _, name := range []string{
		"Order.Key", "Fairness.Key", "KeyRate.Key", "KeyBreaker.Key", "DedupStore.Remember", "Rule.Backoff", "Rule.When", "Policy.Failure",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var now, most atomic.Int32
				cfg := gentask.Config{Concurrency: concurrency, Logger: silent, Retry: gentask.Retry{Backoff: gentask.Backoff{Max: time.Second}}}
				handIns()[name].install(&cfg, func(string) {
					most.Store(max(most.Load(), now.Add(1)))
					defer now.Add(-1)
					time.Sleep(10 * time.Minute)
				})
				if cfg.Policy.Breaker.FailureRate > 0 {
					cfg.Policy.Breaker.MinRuns = 10 * jobs // it stays closed
				}
				q := filled(t, jobs)
				c, err := gentask.New(q, gentask.Handle(func(ctx context.Context, _ int) error {
					if job, _ := gentask.FromContext(ctx); job.Attempt() == 1 {
						return errFirst
					}
					return nil
				}), cfg)
				require.NoError(t, err)
				require.NoError(t, c.Start())
				time.Sleep(9 * time.Minute)
				require.Equal(t, jobs, q.Stats().Acked)
				require.LessOrEqual(t, most.Load(), int32(guard.MaxHung+concurrency))
				got := c.Health().Hooks[name]
				require.GreaterOrEqual(t, got.Hung, guard.MaxHung)
				require.Positive(t, got.Refused)
				time.Sleep(11 * time.Minute)
				require.Zero(t, c.Health().Hooks[name].Hung, "they have returned")
				_, err = c.Stop(t.Context())
				require.NoError(t, err)
				time.Sleep(2 * time.Second)
			})
		})
	}
}

// TestScenario39_HandleResultsThatHangAreBounded: at 16 the consumer takes no more work and states
// so, and when they return it goes on.
func TestScenario39_HandleResultsThatHangAreBounded(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Healed = true
		release, most := make(chan struct{}), atomic.Int32{}
		r.Publish(100)
		c := r.Start(gentask.Work(&rig.Worker[[]byte, int]{
			OnRun: rig.Track(r.Runs, func(context.Context, []byte) (int, error) { return 0, nil }),
			OnResult: func(gentask.Job[[]byte], task.Outcome[int]) gentask.Decision {
				most.Add(1)
				<-release
				return gentask.Ack()
			},
		}), gentask.Config{Concurrency: 4})
		time.Sleep(30 * time.Minute)
		require.Equal(r, gentask.Saturated, c.Health().State)
		require.False(r, c.Health().Healthy())
		require.LessOrEqual(r, most.Load(), int32(guard.MaxHung+4))
		require.GreaterOrEqual(r, c.Health().Hooks["HandleResult"].Hung, guard.MaxHung)
		close(release)
		r.Finish()
		require.Zero(r, c.Health().Hooks["HandleResult"].Hung)
		require.Equal(r, gentask.Consuming, c.Health().State)
	})
}

// deafSource is a queue whose sessions never close.
type deafSource struct {
	*memory.Queue
	opened  atomic.Int32
	release chan struct{}
}

func (s *deafSource) Open(ctx context.Context, o queue.Options) (queue.Session, error) {
	s.opened.Add(1)
	session, err := s.Queue.Open(ctx, o)
	return &sessionDo{session, func(string) { <-s.release }}, err
}

// TestScenario39_SessionsLeftBehindAreBounded: a driver that does not return costs no more than 16
// sessions, then none is opened until one of them has returned.
func TestScenario39_SessionsLeftBehindAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &deafSource{Queue: memory.New(memory.Config{}), release: make(chan struct{})}
		c, err := gentask.New(s, gentask.Handle(func(context.Context, int) error { return nil }), gentask.Config{Logger: silent})
		require.NoError(t, err)
		require.NoError(t, c.Start())
		for range 100 {
			time.Sleep(time.Minute)
			s.LoseSessions()
		}
		require.EqualValues(t, guard.MaxHung, s.opened.Load())
		h := c.Health()
		require.Equal(t, gentask.Connecting, h.State)
		require.ErrorIs(t, h.Error, gentask.ErrDriverStuck)
		require.Equal(t, guard.MaxHung, h.Hooks["Session"].Hung)
		close(s.release)
		time.Sleep(time.Minute)
		require.True(t, c.Health().Healthy())
		_, err = c.Stop(t.Context())
		require.NoError(t, err)
		time.Sleep(2 * time.Second)
	})
}

// TestScenario39_FactoriesThatHang hold up other jobs for some seconds each, and none of them costs
// the worker supervisor.
func TestScenario39_FactoriesThatHang(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		release := make(chan struct{})
		r.Publish(20)
		c := r.Start(gentask.Actor(func(job gentask.ActorJob[[]byte]) *actor.Props {
			if n, _ := strconv.Atoi(job.ID()); n <= 5 && job.Attempt() == 1 {
				<-release
			}
			return acknowledging(job)
		}), gentask.Config{Concurrency: 10, Restarts: -1})
		r.Finish()
		require.Equal(r, 5, c.Health().Hooks["Actor"].Hung)
		require.Empty(r, r.Events(gentask.EventWorkersLost, gentask.EventHealed))
		close(release)
	})
}

// TestScenario39_ALoggerThatHangs holds up neither the end of Run nor what is started again.
func TestScenario39_ALoggerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, q := make(chan struct{}), filled(t, 100)
		hang := func() { <-release }
		cfg := gentask.Config{Logger: slog.New(logDo{slog.DiscardHandler, hang, hang}), Retry: gentask.Retry{MaxAttempts: 1}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.NoError(t, gentask.Run(ctx, q, gentask.Handle(func(context.Context, int) error { panic("bug") }), cfg))
		require.Equal(t, 100, q.Stats().DeadLettered)
		close(release)
		time.Sleep(2 * time.Second)
	})
}

// TestScenario39_ASystemLoggerThatMisbehaves: what protoactor-go has to say goes the same way.
func TestScenario39_ASystemLoggerThatMisbehaves(t *testing.T) {
	for name, do := range map[string]func(){"panic": func() { panic("bug") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				said := atomic.Int32{}
				sys := actor.NewSystem(actor.SystemConfig{Logger: slog.New(logDo{slog.DiscardHandler, func() {}, func() { said.Add(1); do() }})})
				actor.Send(sys, sys.NewLocalPID("nobody"), "a dead letter") // logged by protoactor-go
				time.Sleep(2 * time.Second)
				require.GreaterOrEqual(t, said.Load(), int32(2))
			})
		})
	}
}

// TestSubscribe: several subscribers, each with all events of its time in order, and none waits for
// another.
func TestSubscribe(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		release := make(chan struct{})
		c := r.New(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		var slow, late, gone []string
		note := func(to *[]string) func(gentask.Event) {
			return func(ev gentask.Event) { *to = append(*to, fmt.Sprint(ev.Kind, ev.ID)) }
		}
		cancelSlow := c.Subscribe(func(ev gentask.Event) { <-release; note(&slow)(ev) })
		cancelGone := c.Subscribe(note(&gone))
		c.Subscribe(func(gentask.Event) { panic("bug of a subscriber") })
		require.NoError(r, c.Start())
		r.Publish(10)
		r.Finish()
		cancelGone()
		cancelGone()
		require.NotEmpty(r, gone)
		before := len(gone)
		c.Subscribe(note(&late))
		c.Subscribe(nil)()
		r.Publish(10)
		r.Finish()
		all := r.Events()
		require.Len(r, gone, before)
		require.Len(r, late, len(all)-before)
		require.Equal(r, all[before].ID, strings.TrimPrefix(late[0], "received"))
		time.Sleep(2 * time.Second)
		got := c.Health().Hooks["Consumer.Subscribe"]
		require.Equal(r, gentask.HookHealth{Failed: len(all), Hung: 1}, got)
		close(release)
		r.Rest()
		require.Len(r, slow, len(all))
		cancelSlow()
		assert.Equal(r, late, slow[before:])
	})
}
