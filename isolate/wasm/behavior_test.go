package wasm_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/isolate/wasm"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

var quiet = slog.New(slog.DiscardHandler)

// start runs a consumer until the test ends. It returns the ends of its jobs.
func start(t *testing.T, q *memory.Queue, b gentask.Behavior, cfg gentask.Config) <-chan gentask.Event {
	t.Helper()
	cfg.Logger = quiet
	c, err := gentask.New(q, b, cfg)
	require.NoError(t, err)
	ends := make(chan gentask.Event, 1000)
	c.Subscribe(func(e gentask.Event) { ends <- e }, gentask.EventDone)
	c.Subscribe(func(gentask.Event) { t.Error("a task was abandoned") }, gentask.EventAbandoned)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_, err := c.Stop(context.Background())
		require.NoError(t, err)
	})
	return ends
}

func publish(t *testing.T, q *memory.Queue, messages ...queue.Message) {
	t.Helper()
	require.NoError(t, q.Publish(t.Context(), messages...))
}

// TestScenario37_Guests: whatever becomes of a guest, its delivery is settled exactly once, with
// the disposition that its end stands for, and neighbours go on.
func TestScenario37_Guests(t *testing.T) {
	want := map[string]queue.Disposition{
		"echo x": queue.Ack, "exit 0": queue.Ack, "exit 65": queue.DeadLetter, "exit 75": queue.DeadLetter,
		"exit 1": queue.DeadLetter, "panic x": queue.DeadLetter, "hog": queue.DeadLetter, "loop": queue.DeadLetter,
		"recurse": queue.DeadLetter, "shout": queue.DeadLetter, "state": queue.Ack, "env": queue.Ack,
	}
	var mu sync.Mutex
	values := map[string]string{}
	b := guest().Limited(wasm.Config{Memory: 16 << 20, Fuel: 50_000_000, MaxReply: 1 << 20}).Work(func(job gentask.Job[gentask.Raw], o task.Outcome[[]byte]) gentask.Decision {
		mu.Lock()
		defer mu.Unlock()
		if o.Status == task.OK {
			values[string(job.Payload())] = string(o.Value)
		}
		return gentask.Decision{}
	})
	q := memory.New(memory.Config{})
	ends := start(t, q, b, gentask.Config{Concurrency: 3, Retry: gentask.Retry{MaxAttempts: 1}})
	const rounds = 3
	for range rounds {
		for body := range want {
			publish(t, q, queue.Message{ID: body, Body: []byte(body), Headers: map[string]string{"x-y": "z\x00z"}, ContentType: "text"})
		}
	}
	counts := map[string]int{}
	for range rounds * len(want) {
		e := <-ends
		require.Equal(t, want[e.ID], e.Disposition, "%s: %v", e.ID, e.Reason)
		counts[e.ID]++
	}
	for body := range want {
		require.Equal(t, rounds, counts[body], body)
	}
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, "x", values["echo x"])
	require.Equal(t, "1", values["state"])
	for _, variable := range []string{"GENTASK_ID=env", "GENTASK_ATTEMPT=1", "GENTASK_HEADER_X_Y=zz", "GENTASK_CONTENT_TYPE=text"} {
		require.Contains(t, values["env"], variable)
	}
}

// TestHandle_Timeout: a guest that loops is stopped at the timeout, and the consumer goes on.
func TestHandle_Timeout(t *testing.T) {
	q := memory.New(memory.Config{})
	ends := start(t, q, wasm.Handle(module(forever()), wasm.Config{}), gentask.Config{
		Timeout: 100 * time.Millisecond, Retry: gentask.Retry{MaxAttempts: 1},
	})
	for i := range 3 {
		publish(t, q, queue.Message{ID: fmt.Sprint(i)})
		e := <-ends
		require.Equal(t, fmt.Sprint(i), e.ID)
		require.Equal(t, queue.DeadLetter, e.Disposition)
		require.ErrorContains(t, e.Reason, "timeout")
	}
}

// TestHandle_Drain: a consumer that stops waits for no guest longer than its grace.
func TestHandle_Drain(t *testing.T) {
	q := memory.New(memory.Config{})
	c, err := gentask.New(q, wasm.Handle(module(forever()), wasm.Config{}), gentask.Config{
		Logger: quiet, DrainTimeout: 50 * time.Millisecond,
	})
	require.NoError(t, err)
	started := make(chan struct{}, 1)
	c.Subscribe(func(gentask.Event) { started <- struct{}{} }, gentask.EventStarted)
	require.NoError(t, c.Start())
	publish(t, q, queue.Message{ID: "endless"})
	<-started
	report, err := c.Stop(t.Context())
	require.NoError(t, err)
	require.Empty(t, report.Abandoned)
}

// TestHandle_Mistakes: a bad module is an error of gentask.New.
func TestHandle_Mistakes(t *testing.T) {
	_, err := gentask.New(memory.New(memory.Config{}), wasm.Handle([]byte("no"), wasm.Config{}), gentask.Config{})
	require.ErrorIs(t, err, gentask.ErrConfig)
	require.ErrorIs(t, err, wasm.ErrModule)
	_, err = gentask.New(memory.New(memory.Config{}), wasm.Work(echo, nil, wasm.Config{}), gentask.Config{})
	require.ErrorIs(t, err, gentask.ErrConfig)
}

// TestHandle_CompilesOnce: what was compiled for the first consumer of a behaviour serves the
// others.
func TestHandle_CompilesOnce(t *testing.T) {
	once := bytes.Clone(echo)
	b := wasm.Handle(once, wasm.Config{})
	for range 3 {
		_, err := gentask.New(memory.New(memory.Config{}), b, gentask.Config{Logger: quiet})
		require.NoError(t, err)
		clear(once) // a module that could not be compiled
	}
}
