package nats_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// watched is a consumer whose events are kept.
type watched struct {
	*gentask.Consumer
	mu     sync.Mutex
	events []gentask.Event
}

// consume starts a consumer that is stopped after the test. f gets the id of each message.
func consume(t *testing.T, q *nats.Queue, cfg gentask.Config, f func(ctx context.Context, id string) error) *watched {
	t.Helper()
	w := &watched{}
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.OnEvent = func(ev gentask.Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.events = append(w.events, ev)
	}
	var err error
	w.Consumer, err = gentask.New(q, gentask.Handle(func(ctx context.Context, _ []byte) error {
		job, _ := gentask.FromContext(ctx)
		return f(ctx, job.ID())
	}), cfg)
	require.NoError(t, err)
	require.NoError(t, w.Start())
	t.Cleanup(func() {
		_, err := w.Stop(soon(t))
		require.NoError(t, err)
	})
	return w
}

// of returns the events of a kind.
func (w *watched) of(kind gentask.EventKind) []gentask.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	var some []gentask.Event
	for _, ev := range w.events {
		if ev.Kind == kind {
			some = append(some, ev)
		}
	}
	return some
}

// done returns how many deliveries were settled so.
func (w *watched) done(how queue.Disposition) int {
	n := 0
	for _, ev := range w.of(gentask.EventDone) {
		if ev.Disposition == how {
			n++
		}
	}
	return n
}

// quiet requires that neither a session ended nor the watchdog acted.
func (w *watched) quiet(t *testing.T) {
	t.Helper()
	require.Empty(t, w.of(gentask.EventSessionLost))
	require.Empty(t, w.of(gentask.EventHealed))
}

// until waits for a condition.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	require.Eventually(t, cond, 30*time.Second, 5*time.Millisecond, what)
}
