package memory_test

import (
	"context"
	"testing"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/queue/queuetest"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestConformance: the executable specification passes its own suite, with late deliveries and
// without, and its counts are consistent.
func TestConformance(t *testing.T) {
	for name, cfg := range map[string]memory.Config{
		"prompt": {}, "late": {Faults: memory.Faults{Late: 3}}, "isolates": {Isolates: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			queuetest.Run(t, func(t testing.TB) queuetest.Fixture {
				cfg.Journal = true
				q := memory.New(cfg)
				t.Cleanup(func() {
					q.Close()
					require.NoError(t, q.Check())
				})
				return fixture(q)
			})
		})
	}
}

// fixture returns q for the conformance suite.
func fixture(q *memory.Queue) queuetest.Fixture {
	return queuetest.Fixture{
		Source:      q,
		Publisher:   q,
		DeadLetters: func(context.Context) ([]queue.Message, error) { return q.DeadLetters(), nil },
		Letters:     q.Letters(),
		Bury:        func(_ context.Context, msgs ...queue.Message) error { q.Bury(msgs...); return nil },
		Break:       func() { q.LoseSessions() },
		Held:        func(context.Context) (int, error) { return q.Stats().Held, nil },
	}
}
