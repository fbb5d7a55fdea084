package isolate_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/isolate"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

type sum struct{ A, B int }

type adder struct{ outcomes chan task.Outcome[int] }

func (adder) Run(_ context.Context, s sum) (int, error) {
	if s.A < 0 {
		return 0, errors.New("negative")
	}
	return s.A + s.B, nil
}

func (a adder) HandleResult(_ gentask.Job[gentask.Raw], o task.Outcome[int]) gentask.Decision {
	a.outcomes <- o
	return gentask.Ack()
}

var (
	added    = make(chan task.Outcome[int], 10)
	addition = isolate.Work("add", adder{added}, isolate.Config{Children: 1})
)

// start runs a consumer until the test ends.
func start(t *testing.T, q *memory.Queue, b gentask.Behavior, cfg gentask.Config) *gentask.Consumer {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = quiet
	}
	c, err := gentask.New(q, b, cfg)
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_, err := c.Stop(context.Background())
		require.NoError(t, err)
	})
	return c
}

func publish(t *testing.T, q *memory.Queue, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		require.NoError(t, q.Publish(t.Context(), queue.Message{Body: []byte(body)}))
	}
}

func TestWork(t *testing.T) {
	q := memory.New(memory.Config{})
	start(t, q, addition, gentask.Config{})
	publish(t, q, `{"A":1,"B":2}`, `{"A":-1}`)
	var value int
	var failed error
	for range 2 {
		if o := <-added; o.Status == task.OK {
			value = o.Value
		} else {
			failed = o.Reason
		}
	}
	require.Equal(t, 3, value)
	remote := &isolate.Error{}
	require.ErrorAs(t, failed, &remote)
	require.Equal(t, "negative", remote.Text)
	require.Equal(t, "*errors.errorString", remote.Type)
}

var quiet = slog.New(slog.DiscardHandler)
