package queuetest_test

import (
	"context"
	"testing"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/queue/queuetest"
)

// The test of a driver is one function; it is the driver's TestConformance.
func ExampleRun() {
	_ = func(t *testing.T) {
		queuetest.Run(t, func(t testing.TB) queuetest.Fixture {
			q := memory.New(memory.Config{})
			t.Cleanup(q.Close)
			return queuetest.Fixture{
				Source:      q,
				Publisher:   q,
				DeadLetters: func(context.Context) ([]queue.Message, error) { return q.DeadLetters(), nil },
				Break:       func() { q.LoseSessions() },
				Lacks: map[queuetest.Capability]string{
					queuetest.Letters: "no other process can reach the letters of a queue in this one",
				},
			}
		})
	}
	// Output:
}
