package nats

import (
	"context"
	"fmt"

	"github.com/gentask/gentask/queue"
)

var _ queue.Standby = (*session)(nil)

// Standby implements [queue.Standby]. A session is on standby while its consumer is paused at the
// server, and while its server is a lame duck. It asks the server.
func (s *session) Standby(ctx context.Context) (string, error) {
	select {
	case <-s.link.duck:
		return "the server shuts down (lame duck)", nil
	default:
	}
	consumer, err := s.link.consumerInfo(ctx, s.queue)
	if err != nil {
		return "", fmt.Errorf("nats: consumer of %q: %w", s.queue, s.link.answer(ctx, err))
	}
	if until, _ := consumer.Config["pause_until"].(string); consumer.Paused {
		return "the consumer is paused at the server until " + until, nil
	}
	return "", nil
}
