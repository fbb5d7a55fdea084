package scenario_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
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
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

// handIn is a function that a user hands in. install puts it where it belongs, and calls do in it,
// with the id of the job that it is called for if there is one.
type handIn struct {
	health  string // its name in Health.Hooks; empty if it runs as a part of the job
	install func(cfg *gentask.Config, do func(id string)) gentask.Behavior
}

// bad is the job whose functions misbehave. Its run fails the first time, so that every function
// has something to do.
const bad = "1"

var errFirst = errors.New("the first run fails")

func runOf(ctx context.Context, _ string) error {
	if job, _ := gentask.FromContext(ctx); job.ID() == bad && job.Attempt() == 1 {
		return errFirst
	}
	return nil
}

// handIns are all that a Config, a Policy, a Behavior and a Source have.
func handIns() map[string]handIn {
	all := observers()
	maps.Copy(all, policies())
	maps.Copy(all, behaviors())
	return all
}

var firstFails = gentask.Handle(runOf)

// policy installs a function of a Policy.
func policy(set func(p *gentask.Policy, do func(string))) func(*gentask.Config, func(string)) gentask.Behavior {
	return func(cfg *gentask.Config, do func(string)) gentask.Behavior { set(&cfg.Policy, do); return firstFails }
}

func keyDo(do func(string)) gentask.KeyFunc {
	return func(m *queue.Message) string { do(m.ID); return "" }
}

func backoffDo(do func(string)) func(int, error) time.Duration {
	return func(int, error) time.Duration { do(bad); return time.Second }
}

func observers() map[string]handIn {
	return map[string]handIn{
		"OnEvent": {"Config.OnEvent", func(cfg *gentask.Config, do func(string)) gentask.Behavior {
			cfg.OnEvent = func(gentask.Event) { do(bad) }
			return firstFails
		}},
		"Logger": {"Config.Logger", func(cfg *gentask.Config, do func(string)) gentask.Behavior {
			cfg.Logger = slog.New(logDo{slog.DiscardHandler, func() {}, func() { do(bad) }})
			return firstFails
		}},
		"Logger.Enabled": {"Config.Logger", func(cfg *gentask.Config, do func(string)) gentask.Behavior {
			cfg.Logger = slog.New(logDo{slog.DiscardHandler, func() { do(bad) }, func() {}})
			return firstFails
		}},
		"BacklogReporter.Backlog": {"BacklogReporter.Backlog", func(*gentask.Config, func(string)) gentask.Behavior { return firstFails }},
		"Session.Close":           {"Session.Close", func(*gentask.Config, func(string)) gentask.Behavior { return firstFails }},
	}
}

func policies() map[string]handIn {
	return map[string]handIn{
		"Order.Key":    {"Order.Key", policy(func(p *gentask.Policy, do func(string)) { p.Order.Key = keyDo(do) })},
		"Fairness.Key": {"Fairness.Key", policy(func(p *gentask.Policy, do func(string)) { p.Fairness.Key = keyDo(do) })},
		"KeyRate.Key":  {"KeyRate.Key", policy(func(p *gentask.Policy, do func(string)) { p.KeyRate.Key = keyDo(do) })},
		"Fleet.PerKey.Key": {"Fleet.PerKey.Key", policy(func(p *gentask.Policy, do func(string)) {
			p.Fleet.PerKey = gentask.FleetPerKey{Key: keyDo(do), Concurrency: 1}
		})},
		"KeyBreaker.Key": {"KeyBreaker.Key", policy(func(p *gentask.Policy, do func(string)) {
			p.KeyBreaker = gentask.KeyBreaker{Key: keyDo(do), Breaker: gentask.Breaker{FailureRate: 1}}
		})},
		"DedupStore.Done": {"DedupStore.Done", policy(func(p *gentask.Policy, do func(string)) {
			p.Dedup = gentask.Dedup{Remember: -1, Store: storeDo{do, func(string) {}}}
		})},
		"DedupStore.Remember": {"DedupStore.Remember", policy(func(p *gentask.Policy, do func(string)) {
			p.Dedup = gentask.Dedup{Remember: -1, Store: storeDo{func(string) {}, do}}
		})},
		"Rule.Backoff": {"Rule.Backoff", func(cfg *gentask.Config, do func(string)) gentask.Behavior {
			cfg.Retry.Rules = []gentask.Rule{{When: gentask.WhenFailed, Backoff: backoffDo(do)}}
			return firstFails
		}},
		"Rule.When": {"Rule.When", func(cfg *gentask.Config, do func(string)) gentask.Behavior {
			cfg.Retry.Rules = []gentask.Rule{{When: func(task.Status, error) bool { do(bad); return false }, Do: gentask.Ack()}}
			return firstFails
		}},
		"Policy.Failure": {"Policy.Failure", policy(func(p *gentask.Policy, do func(string)) {
			p.Breaker.FailureRate, p.Failure = 1, func(error) bool { do(bad); return false }
		})},
		"Middleware": {"", policy(func(p *gentask.Policy, do func(string)) {
			p.Middleware = []gentask.Middleware{func(next gentask.RunFunc) gentask.RunFunc {
				return func(ctx context.Context, job gentask.Job[any]) (any, error) { do(job.ID()); return next(ctx, job) }
			}}
		})},
		"LogRuns": {"LogRuns", policy(func(p *gentask.Policy, do func(string)) {
			p.Middleware = []gentask.Middleware{gentask.LogRuns(slog.New(logDo{slog.DiscardHandler, func() {}, func() { do(bad) }}))}
		})},
	}
}

func behaviors() map[string]handIn {
	return map[string]handIn{
		"Decode": {"", func(cfg *gentask.Config, do func(string)) gentask.Behavior {
			cfg.Decode = func(m *queue.Message, into any) error { do(m.ID); return gentask.DecodeJSON(m, into) }
			return firstFails
		}},
		"Run": {"", func(_ *gentask.Config, do func(string)) gentask.Behavior {
			return gentask.Handle(func(_ context.Context, id string) error { do(id); return nil })
		}},
		"HandleResult": {"HandleResult", func(_ *gentask.Config, do func(string)) gentask.Behavior {
			return gentask.Work(&rig.Worker[string, int]{
				OnRun: func(context.Context, string) (int, error) { return 0, nil },
				OnResult: func(job gentask.Job[string], _ task.Outcome[int]) gentask.Decision {
					do(job.ID())
					return gentask.Ack()
				},
			})
		}},
		"Actor": {"Actor", func(_ *gentask.Config, do func(string)) gentask.Behavior {
			return gentask.Actor(func(job gentask.ActorJob[[]byte]) *actor.Props { do(job.ID()); return acknowledging(job) })
		}},
		"ActorJob.Run": {"", func(_ *gentask.Config, do func(string)) gentask.Behavior { return actorRuns(do) }},
		"Batch": {"", func(_ *gentask.Config, do func(string)) gentask.Behavior {
			return gentask.Batch(func(_ context.Context, jobs []gentask.Job[string]) (gentask.Results, error) {
				do(jobs[0].ID())
				return gentask.AllDone(jobs), nil
			}, gentask.BatchConfig{Size: 1})
		}},
		"BatchConfig.Key": {"", func(_ *gentask.Config, do func(string)) gentask.Behavior {
			return gentask.Batch(func(_ context.Context, jobs []gentask.Job[string]) (gentask.Results, error) {
				return gentask.AllDone(jobs), nil
			}, gentask.BatchConfig{Size: 1, Key: func(m *queue.Message) string { do(m.ID); return "" }})
		}},
	}
}

// actorRuns are workers of the test's own that run do in a task.
func actorRuns(do func(string)) gentask.Behavior {
	return gentask.Actor(func(job gentask.ActorJob[[]byte]) *actor.Props {
		return actor.FromFunc(func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *actor.Started:
				_ = job.Run(ctx, func(context.Context) (any, error) { do(job.ID()); return nil, nil }) //nolint:nilnil // no value
			case *task.Outcome[any]:
				_ = job.Settle(gentask.DefaultDecision(job.Job, *msg))
				ctx.Stop(ctx.Self())
			}
		})
	})
}

// logDo is a handler that does something.
type logDo struct {
	slog.Handler
	enabled, handle func()
}

func (l logDo) Enabled(context.Context, slog.Level) bool  { l.enabled(); return true }
func (l logDo) Handle(context.Context, slog.Record) error { l.handle(); return nil }
func (l logDo) WithAttrs([]slog.Attr) slog.Handler        { return l }
func (l logDo) WithGroup(string) slog.Handler             { return l }
func (s storeDo) Done(_ context.Context, key string) (bool, error) {
	s.done(idOf(key))
	return false, nil
}

func (s storeDo) Remember(_ context.Context, key string) error { s.remember(idOf(key)); return nil }

// idOf returns the ID in the key of a job.
func idOf(key string) string {
	id, _, _ := strings.Cut(key, "@")
	return id
}

type storeDo struct{ done, remember func(id string) }

// sourceDo is a queue whose backlog and whose sessions do something.
type sourceDo struct {
	*memory.Queue
	waiting, closing func(id string)
}

func (s *sourceDo) Backlog(context.Context) (int, error) { s.waiting(bad); return 0, nil }

func (s *sourceDo) Open(ctx context.Context, o queue.Options) (queue.Session, error) {
	session, err := s.Queue.Open(ctx, o)
	return &sessionDo{session, s.closing}, err
}

type sessionDo struct {
	queue.Session
	closing func(id string)
}

func (s *sessionDo) Close(ctx context.Context) error {
	err := s.Session.Close(ctx)
	s.closing(bad)
	return err
}

// misbehaving is a consumer with 20 jobs, of which the functions of one misbehave.
type misbehaving struct {
	*testing.T
	q       *memory.Queue
	c       *gentask.Consumer
	release chan struct{}
	did     atomic.Int32
}

func misbehave(t *testing.T, name string, in handIn, do func(m *misbehaving)) *misbehaving {
	t.Helper()
	m := &misbehaving{T: t, q: memory.New(memory.Config{}), release: make(chan struct{})}
	for i := range 20 {
		id := strconv.Itoa(i + 1)
		require.NoError(t, m.q.Publish(t.Context(), queue.Message{ID: id, Body: []byte(id)}))
	}
	cfg := gentask.Config{Concurrency: 4, Retry: gentask.Retry{Backoff: gentask.Backoff{Max: time.Second}}, Logger: slog.New(slog.DiscardHandler)}
	call, source := func(id string) {
		if id == bad {
			m.did.Add(1)
			do(m)
		}
	}, &sourceDo{Queue: m.q, waiting: func(string) {}, closing: func(string) {}}
	switch name {
	case "BacklogReporter.Backlog":
		source.waiting = call
	case "Session.Close":
		source.closing = call
	case "DedupStore.Done": // it is asked about what is delivered again without having been given back
		m.q.SetFaults(memory.Faults{LoseAck: memory.Times(20)})
	}
	c, err := gentask.New(source, in.install(&cfg, call), cfg)
	require.NoError(t, err)
	m.c = c
	t.Cleanup(func() {
		if t.Failed() { // so that this is the only failure
			close(m.release)
			_, _ = c.Stop(context.Background())
		}
	})
	return m
}

// TestScenario39_HooksThatMisbehave: every function that is handed in panics, exits its goroutine
// or hangs, for one job or always. The other 19 jobs are done, Health reports it, Stop returns and
// Done is closed.
func TestScenario39_HooksThatMisbehave(t *testing.T) {
	for what, do := range map[string]func(m *misbehaving){
		"panics":       func(*misbehaving) { panic("bug of a hook") },
		"calls Goexit": func(*misbehaving) { runtime.Goexit() },
		"hangs":        func(m *misbehaving) { <-m.release },
	} {
		for name, in := range handIns() {
			t.Run(name+" "+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := misbehave(t, name, in, do)
					require.NoError(t, m.c.Start())
					time.Sleep(2 * time.Minute)
					require.GreaterOrEqual(t, m.q.Stats().Acked, 19)
					if name == "Session.Close" {
						m.q.LoseSessions()
						time.Sleep(time.Minute)
					}
					require.Positive(t, m.did.Load())
					m.checkHealth(in.health, what == "hangs")
					begin := time.Now()
					_, err := m.c.Stop(t.Context())
					require.NoError(t, err)
					require.LessOrEqual(t, time.Since(begin), time.Minute)
					<-m.c.Done()
					require.NoError(t, m.c.Err())
					close(m.release)
					time.Sleep(time.Minute)
					require.Zero(t, m.q.Stats().Held)
				})
			})
		}
	}
}

func (m *misbehaving) checkHealth(name string, hangs bool) {
	m.Helper()
	h := m.c.Health()
	require.Equal(m, gentask.Consuming, h.State)
	require.NoError(m, h.Error)
	if name == "" {
		require.Empty(m, h.Hooks, "a part of the job")
		return
	}
	require.Len(m, h.Hooks, 1)
	got := h.Hooks[name]
	switch {
	case !hangs:
		require.Positive(m, got.Failed, name)
	case name == "Session.Close": // waited for by the end of its session
	default:
		require.Positive(m, got.Hung, name)
	}
}

// TestScenario39_StopFromAHook starts the drain and returns at once, with an empty report: from
// everything that is handed in, with a context that reports nothing.
func TestScenario39_StopFromAHook(t *testing.T) {
	for name, in := range handIns() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := misbehave(t, name, in, func(m *misbehaving) {
					begin := time.Now()
					report, err := m.c.Stop(context.Background())
					assert.Equal(m, gentask.DrainReport{}, report)
					assert.Zero(m, time.Since(begin))
					require.NoError(m, err)
				})
				require.NoError(t, m.c.Start())
				if name == "Session.Close" {
					time.Sleep(time.Minute)
					m.q.LoseSessions()
				}
				select {
				case <-m.c.Done():
				case <-time.After(time.Minute):
					t.Fatal("not stopped")
				}
				require.NoError(t, m.c.Err())
				require.Positive(t, m.did.Load())
				_, err := m.c.Stop(t.Context())
				require.NoError(t, err)
				require.Zero(t, m.q.Stats().Held)
				time.Sleep(2 * time.Second)
			})
		})
	}
}
