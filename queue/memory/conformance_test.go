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

// TestConformance: the executable specification passes its own suite, and its books balance after every case.
func TestConformance(t *testing.T) {
	queuetest.Run(t, func(t testing.TB) queuetest.Fixture {
		q := memory.New(memory.Config{Journal: true})
		t.Cleanup(func() {
			q.Close()
			require.NoError(t, q.Check())
		})
		return fixture(q)
	})
}

// TestConformanceSlow: a slow broker is a broker.
func TestConformanceLate(t *testing.T) {
	queuetest.Run(t, func(t testing.TB) queuetest.Fixture {
		q := memory.New(memory.Config{Journal: true, Faults: memory.Faults{Late: 3}})
		t.Cleanup(func() {
			q.Close()
			require.NoError(t, q.Check())
		})
		return fixture(q)
	})
}

// fixture shows q to the conformance suite.
func fixture(q *memory.Queue) queuetest.Fixture {
	return queuetest.Fixture{
		Source:      q,
		Publisher:   q,
		DeadLetters: func(context.Context) ([]queue.Message, error) { return q.DeadLetters(), nil },
		Break:       func() { q.LoseSessions() },
		Held:        func(context.Context) (int, error) { return q.Stats().Held, nil },
	}
}
