package browsertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/dashboard"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/schedule"
)

var quiet = slog.New(slog.DiscardHandler)

// soon is how long a node waits for further answers: all are on this machine.
const soon = 50 * time.Millisecond

// shop is a fleet of one node with one queue, and the dashboard that shows it.
type shop struct {
	t        testing.TB
	place    place
	orders   work
	consumer *gentask.Consumer
	node     *fleet.Node // the consumer's
	plans    *schedule.Plans
	pages    *dashboard.Dashboard
	url      string // of the first page

	mu      sync.Mutex
	actions []dashboard.Action
	ran     map[string]int // how often each job ran
}

// openShop opens a shop. The changes concern the dashboard.
func openShop(t testing.TB, at place, changes ...func(*dashboard.Config)) *shop {
	t.Helper()
	s := &shop{t: t, place: at, orders: at.queue("orders"), ran: map[string]int{}}
	s.consume()
	store, err := at.Store(t.Context(), at.tag+"-plans")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	s.plans, err = schedule.OpenPlans(store, "shop")
	require.NoError(t, err)
	require.NoError(t, s.plans.Put(t.Context(), schedule.Plan{Name: "daily report", Cron: "30 6 * * *"}))

	cfg := dashboard.Config{
		Queues: []dashboard.Queue{s.orders}, Plans: []dashboard.Plans{{Name: "shop", Plans: s.plans}},
		Audit: s.audit, Logger: quiet,
	}
	for _, change := range changes {
		change(&cfg)
	}
	observer, err := fleet.Join(t.Context(), at, fleet.Config{Name: at.tag, Node: "observer", Wait: soon, Logger: quiet})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, observer.Close()) })
	s.pages, err = dashboard.New(observer, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.pages.Close()) })
	s.url = serve(t, s.pages)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("health %+v\nactions %+v", s.health(), s.actions)
		}
	})
	return s
}

// serve serves a handler until the end of the test, and returns its URL.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.CloseClientConnections() // the streams of pages that are still open
		server.Close()
	})
	return server.URL + "/"
}

// consume starts the node and its consumer.
func (s *shop) consume() {
	s.t.Helper()
	var err error
	s.consumer, err = gentask.New(s.orders, gentask.Handle(s.job), gentask.Config{
		Concurrency: 16, Prefetch: 32, LogsInLetters: true, Logger: quiet,
		Timeout: -1, DrainTimeout: -1, // a job may wait for as long as its test
		Retry:  gentask.Retry{MaxAttempts: 1},
		Policy: gentask.Policy{Breaker: gentask.Breaker{FailureRate: 1, MinRuns: 1000}},
	})
	require.NoError(s.t, err)
	s.node, err = fleet.Join(s.t.Context(), s.place, fleet.Config{
		Name: s.place.tag, Node: "worker-1", Version: "1.4.2", Wait: soon, Logger: quiet,
	}, s.consumer)
	require.NoError(s.t, err)
	require.NoError(s.t, s.consumer.Start())
	s.t.Cleanup(func() {
		_, err := s.consumer.Stop(context.Background())
		require.NoError(s.t, errors.Join(err, s.node.Close()))
	})
}

// task is the payload of a job.
type task struct {
	Do   string `json:"do"`
	Text string `json:"text,omitempty"` // what it fails with
}

// body returns the payload, encoded for a message.
func (o task) body(t testing.TB) []byte {
	t.Helper()
	text, err := json.Marshal(o)
	require.NoError(t, err)
	return text
}

// job does what its payload asks for.
func (s *shop) job(ctx context.Context, o task) error {
	job, _ := gentask.FromContext(ctx)
	s.mu.Lock()
	s.ran[job.ID()]++
	s.mu.Unlock()
	gentask.Logger(ctx).Info("working", "text", o.Text)
	switch o.Do {
	case "panic":
		panic("no such customer " + o.Text)
	case "fail":
		return gentask.DeadLetter(errors.New("card declined " + o.Text))
	case "wait": // until it is cancelled
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return nil
}

func (s *shop) runs(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ran[id]
}

func (s *shop) audit(a dashboard.Action) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.actions = append(s.actions, a)
}

// publish publishes jobs that do the same, with IDs like panic-1.
func (s *shop) publish(do string, n int) {
	s.t.Helper()
	msgs := make([]queue.Message, n)
	for i := range msgs {
		msgs[i] = queue.Message{
			ID: fmt.Sprintf("%s-%d", do, i+1), Body: task{Do: do}.body(s.t), ContentType: "application/json",
		}
	}
	require.NoError(s.t, s.orders.Publish(s.t.Context(), msgs...))
}

// letters waits until the queue has so many dead letters.
func (s *shop) letters(n int) {
	s.t.Helper()
	waitFor(s.t, fmt.Sprint(n, " dead letters"), func() bool {
		stats, err := s.orders.Inspect(s.t.Context())
		return err == nil && stats.DeadLettered == n
	})
}

// health returns the health of the consumer.
func (s *shop) health() gentask.Health { return s.consumer.Health() }

// within bounds a call to the broker.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
