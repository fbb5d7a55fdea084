package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/telemetry"
)

// site is a queue with a consumer, which Prometheus scrapes.
type site struct {
	*prom
	t        *testing.T
	q        *memory.Queue
	consumer *gentask.Consumer
}

// newSite runs a consumer of source, or of a new memory queue if that is nil, until the test ends.
func newSite(t *testing.T, p *prom, source func(*memory.Queue) queue.Source, f func(context.Context, int) error, cfg gentask.Config) *site {
	t.Helper()
	s := &site{prom: p, t: t, q: memory.New(memory.Config{Name: "jobs"})}
	var from queue.Source = s.q
	if source != nil {
		from = source(s.q)
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	consumer, err := gentask.New(from, gentask.Handle(f), cfg)
	require.NoError(t, err)
	s.consumer = consumer
	stop, err := telemetry.Instrument(consumer, p.config())
	require.NoError(t, err)
	require.NoError(t, consumer.Start())
	s.watch(t, time.Minute)
	t.Cleanup(func() {
		_, _ = consumer.Stop(context.Background()) // some can't
		stop()
		s.q.Close()
	})
	return s
}

func (s *site) publish(n int) {
	s.t.Helper()
	msgs := make([]queue.Message, n)
	for i := range msgs {
		msgs[i].Body = []byte("1")
	}
	require.NoError(s.t, s.q.Publish(s.t.Context(), msgs...))
}

// flow publishes n messages every 15 s for a while.
func (s *site) flow(n int, d time.Duration) {
	s.t.Helper()
	for range d / scrapeEvery {
		s.publish(n)
		s.watch(s.t, scrapeEvery)
	}
}

func done(context.Context, int) error { return nil }

func slow(context.Context, int) error { time.Sleep(10 * time.Second); return nil }

func fail(context.Context, int) error { return errors.New("down") }

// aged is a queue whose oldest message is old.
type aged struct{ *memory.Queue }

func (aged) OldestAge(context.Context) (time.Duration, error) { return time.Hour, nil }

// wedge is a dispatcher that can be held up, and the ledger with it.
type wedge struct {
	mu    sync.Mutex
	held  bool
	queue []func()
}

func (*wedge) Throughput() int { return 1 }

func (w *wedge) Schedule(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held {
		w.queue = append(w.queue, f)
		return
	}
	go f()
}

func (w *wedge) hold(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held = on; on {
		return
	}
	for _, f := range w.queue {
		go f()
	}
	w.queue = nil
}

// always is a fault that strikes each time.
var always = memory.Fault{Times: -1}

// causes make the conditions of the alerts true.
var causes = map[string]func(t *testing.T, p *prom){
	"GentaskQueueGrows": func(t *testing.T, p *prom) {
		newSite(t, p, nil, slow, gentask.Config{Concurrency: 1}).flow(20, 20*time.Minute)
	},
	"GentaskQueueSlow": func(t *testing.T, p *prom) {
		s := newSite(t, p, nil, done, gentask.Config{})
		s.flow(1, time.Minute)
		require.NoError(t, s.consumer.Pause(t.Context()))
		s.publish(20)
		s.watch(t, 7*time.Minute)
		require.NoError(t, s.consumer.Resume(t.Context()))
		s.watch(t, time.Minute)
	},
	"GentaskOldestWaits": func(t *testing.T, p *prom) {
		newSite(t, p, func(q *memory.Queue) queue.Source { return aged{q} }, done, gentask.Config{})
	},
	"GentaskNobodyConsumes": func(t *testing.T, p *prom) {
		s := newSite(t, p, nil, done, gentask.Config{})
		s.q.SetFaults(memory.Faults{RefuseOpen: always})
		s.q.LoseSessions()
		s.flow(1, 5*time.Minute)
	},
	"GentaskUnhealthy": func(t *testing.T, p *prom) {
		s := newSite(t, p, nil, done, gentask.Config{})
		s.q.SetFaults(memory.Faults{RefuseOpen: always})
		s.q.LoseSessions()
		s.watch(t, 5*time.Minute)
	},
	"GentaskLedgerStands": func(t *testing.T, p *prom) {
		w := &wedge{}
		s := newSite(t, p, nil, done, gentask.Config{System: actor.NewSystem(actor.SystemConfig{Dispatcher: w})})
		w.hold(true)
		s.watch(t, time.Minute)
		w.hold(false)
	},
	"GentaskJobsFail": func(t *testing.T, p *prom) {
		newSite(t, p, nil, fail, gentask.Config{}).flow(5, 5*time.Minute)
	},
	"GentaskDeadLetters": func(t *testing.T, p *prom) {
		s := newSite(t, p, nil, fail, gentask.Config{Retry: gentask.Retry{MaxAttempts: 1}})
		s.publish(1)
		s.watch(t, time.Minute)
	},
	"GentaskBreakerOpen": func(t *testing.T, p *prom) {
		s := newSite(t, p, nil, fail, gentask.Config{Policy: gentask.Policy{Breaker: gentask.Breaker{
			FailureRate: 0.5, Wait: gentask.Backoff{Base: time.Hour, Max: time.Hour},
		}}})
		s.flow(20, 2*time.Minute)
	},
	"GentaskKeysBroken": func(t *testing.T, p *prom) {
		s := newSite(t, p, nil, fail, gentask.Config{Policy: gentask.Policy{KeyBreaker: gentask.KeyBreaker{
			Key:     func(*queue.Message) string { return "customer" },
			Breaker: gentask.Breaker{FailureRate: 0.5, Wait: gentask.Backoff{Base: time.Hour, Max: time.Hour}},
		}}})
		s.flow(20, 2*time.Minute)
	},
	"GentaskStarved": func(t *testing.T, p *prom) { // it has joined no fleet
		s := newSite(t, p, nil, done, gentask.Config{Policy: gentask.Policy{Fleet: gentask.FleetLimits{Concurrency: 1}}})
		s.publish(1)
		s.watch(t, time.Minute)
	},
	"GentaskAbandoned": func(t *testing.T, p *prom) {
		over := make(chan struct{})
		t.Cleanup(func() { close(over) })
		s := newSite(t, p, nil, func(context.Context, int) error { <-over; return nil },
			gentask.Config{Timeout: time.Second, Grace: -1, Retry: gentask.Retry{MaxAttempts: 1}})
		s.publish(1)
		s.watch(t, time.Minute)
	},
	"GentaskSessionsReopen": func(t *testing.T, p *prom) {
		s := newSite(t, p, nil, done, gentask.Config{})
		for range 6 {
			s.q.LoseSessions()
			s.watch(t, time.Minute)
		}
	},
	"GentaskSettlementsRefused": func(t *testing.T, p *prom) {
		s := newSite(t, p, nil, done, gentask.Config{})
		s.q.SetFaults(memory.Faults{FailSettle: always})
		s.publish(1)
		s.watch(t, time.Minute)
		s.q.SetFaults(memory.Faults{})
	},
	"GentaskFunctionsFail": func(t *testing.T, p *prom) {
		s := newSite(t, p, nil, done, gentask.Config{OnEvent: func(gentask.Event) { panic("bug") }})
		s.publish(1)
		s.watch(t, time.Minute)
	},
	"GentaskOutboxBacklog": func(t *testing.T, p *prom) {
		stop, err := telemetry.Backlog(p.config(), "outbox", func(context.Context) (int, time.Duration, error) {
			return 3, 2 * time.Minute, nil
		})
		require.NoError(t, err)
		t.Cleanup(stop)
		p.watch(t, time.Minute)
	},
}

// TestEachAlertFires when its condition is caused.
func TestEachAlertFires(t *testing.T) {
	alerts := rules(t)
	for name := range alerts {
		require.Contains(t, causes, name, "a cause for each alert")
	}
	for name, cause := range causes {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, alerts, name)
			var p *prom
			synctest.Test(t, func(t *testing.T) {
				p = newProm(t)
				cause(t, p)
			})
			require.NotEmpty(t, p.query(t, alerts[name].Expr), alerts[name].Expr)
		})
	}
}

// TestNoAlertFires while all is well, although a few jobs fail.
func TestNoAlertFires(t *testing.T) {
	var p *prom
	synctest.Test(t, func(t *testing.T) {
		p = newProm(t)
		n := 0
		s := newSite(t, p, nil, func(context.Context, int) error {
			if n++; n%10 == 0 {
				return errors.New("one of ten")
			}
			return nil
		}, gentask.Config{Concurrency: 1})
		s.flow(20, 20*time.Minute)
	})
	for name, alert := range rules(t) {
		require.Empty(t, p.query(t, alert.Expr), name)
	}
}
