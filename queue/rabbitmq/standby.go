package rabbitmq

import (
	"context"
	"fmt"

	"github.com/gentask/gentask/queue"
)

var _ queue.Standby = (*session)(nil)

// Standby implements [queue.Standby]. A session is on standby if its queue has a single active
// consumer, which is another one. The driver can tell for its own queues, and for those of others
// if it may configure them. It also makes sure that the session's connection works.
func (s *session) Standby(ctx context.Context) (string, error) {
	if !s.found.single() && !s.queue.broker.cfg.SingleActiveConsumer {
		return "", nil
	}
	if err := s.ask(ctx, func() error { return s.channel.Qos(s.prefetch, 0, false) }); err != nil {
		return "", fmt.Errorf("rabbitmq: standby of queue %q: %w", s.queue.name, err)
	}
	return "another consumer of the queue is its single active one", nil
}
