package rabbitmq

import (
	"context"
	"testing"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/queuetest"
)

func TestConformance(t *testing.T) {
	for _, kind := range []QueueType{Quorum, Classic} {
		t.Run(string(kind), func(t *testing.T) {
			queuetest.Run(t, func(t testing.TB) queuetest.Fixture {
				cfg := Config{Type: kind}
				lacks := map[queuetest.Capability]string{
					queuetest.Unique: "RabbitMQ compares no messages", queuetest.UniqueUntilDone: "likewise",
				}
				if kind == Classic || serverOf(t).hasQuorumPriorities() {
					cfg.MaxPriority = queue.MaxPriority
				} else {
					lacks[queuetest.Priority] = "quorum queues have priorities from 4.3 on"
				}
				q := newQueue(t, cfg)
				source := &recorder{Source: q}
				return queuetest.Fixture{
					Source:      source,
					Publisher:   q,
					DeadLetters: func(ctx context.Context) ([]queue.Message, error) { return q.DeadLetters(ctx, 1000) },
					Letters:     q.Letters(),
					Bury:        func(_ context.Context, msgs ...queue.Message) error { return bury(t, q, msgs) },
					Break:       source.Break,
					Held:        source.Held,
					Lacks:       lacks,
				}
			})
		})
	}
}
