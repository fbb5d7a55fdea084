package watermill

import (
	"context"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/components/delay"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gentask/gentask/queue"
)

// checkOrder returns an error if a message requests something that watermill does not support.
func (c Config) checkOrder(m *queue.Message) error {
	switch err := m.Check(); {
	case err != nil:
		return fmt.Errorf("watermill: %w", err)
	case m.Priority != 0:
		return fmt.Errorf("watermill: %w: Message.Priority is %d: right would be 0", queue.ErrUnsupported, m.Priority)
	case m.UniqueUntil == queue.UntilDone:
		return fmt.Errorf("watermill: %w: Message.UniqueUntil is %v with the key %q: right would be no key, "+
			"or a queue of PostgreSQL's", queue.ErrUnsupported, m.UniqueUntil, m.UniqueKey)
	case m.UniqueKey != "":
		return fmt.Errorf("watermill: %w: Message.UniqueKey is %q: right would be none", queue.ErrUnsupported,
			m.UniqueKey)
	case !m.NotBefore.IsZero() && c.Delayed == nil:
		return fmt.Errorf("watermill: %w: Message.NotBefore is %v: "+
			"right would be Config.Delayed, a publisher that honours delays, or none",
			queue.ErrUnsupported, m.NotBefore)
	}
	return nil
}

// publish publishes one message, now or later.
func (q *Queue) publish(ctx context.Context, m queue.Message) error {
	if err := q.cfg.checkOrder(&m); err != nil {
		return err
	}
	if err := q.do(ctx, q.initialize); err != nil {
		return err
	}
	if left := time.Until(m.NotBefore); !m.NotBefore.IsZero() && left > 0 {
		return q.sendLater(ctx, encode(m), left)
	}
	return q.send(ctx, q.cfg.Publisher, q.topic, encode(m))
}

// sendLater publishes a message that should arrive after d.
func (q *Queue) sendLater(ctx context.Context, msg *message.Message, d time.Duration) error {
	delay.Message(msg, delay.For(d))
	return q.send(ctx, q.cfg.Delayed, q.topic, msg)
}
