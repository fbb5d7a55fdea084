package nats_test

import (
	"context"
	"testing"
	"time"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
	"github.com/gentask/gentask/queue/queuetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]nats.Config{
		"ack":        {Lease: time.Second},
		"double ack": {Lease: time.Second, DoubleAck: true},
	} {
		t.Run(name, func(t *testing.T) {
			queuetest.Run(t, func(t testing.TB) queuetest.Fixture { return fixture(t, cfg) })
		})
	}
}

func fixture(t testing.TB, cfg nats.Config) queuetest.Fixture {
	t.Helper()
	p := brokertest.NewProxy(t, "nats://"+standard)
	q := newQueue(t, p.URL(), cfg)
	// No Held: JetStream counts messages that wait to be delivered again as held.
	return queuetest.Fixture{
		Source:      q,
		Publisher:   q,
		DeadLetters: func(ctx context.Context) ([]queue.Message, error) { return q.DeadLetters(ctx, 1000) },
		Letters:     q.Letters(),
		Bury: func(ctx context.Context, msgs ...queue.Message) error {
			return brokertest.Bury(ctx, bare(t, "nats://"+standard), q.Name()+"-dead", msgs)
		},
		Break: p.Cut,
		Lacks: map[queuetest.Capability]string{
			queuetest.Priority:        "JetStream keeps the order of publishing",
			queuetest.UniqueUntilDone: "JetStream compares within a window",
		},
	}
}
