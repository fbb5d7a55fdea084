package rabbitmq

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask/queue"
)

// order checks a message's special requests. It returns an error for one that is not supported, and
// the delay.
func (q *Queue) order(m *queue.Message) (delay time.Duration, err error) {
	switch err := m.Check(); {
	case err != nil:
		return 0, fmt.Errorf("rabbitmq: %w", err)
	case m.UniqueUntil == queue.UntilDone:
		return 0, fmt.Errorf("rabbitmq: %w: Message.UniqueUntil is %v with the key %q: RabbitMQ compares no messages: "+
			"right would be a queue of PostgreSQL's", queue.ErrUnsupported, m.UniqueUntil, m.UniqueKey)
	case m.UniqueKey != "":
		return 0, fmt.Errorf("rabbitmq: %w: Message.UniqueKey is %q: RabbitMQ compares no messages: "+
			"right would be a queue of JetStream's", queue.ErrUnsupported, m.UniqueKey)
	case m.Priority > q.broker.cfg.MaxPriority:
		return 0, fmt.Errorf("rabbitmq: %w: Message.Priority is %d and Config.MaxPriority is %d: "+
			"right would be a queue with more, or less priority",
			queue.ErrUnsupported, m.Priority, q.broker.cfg.MaxPriority)
	case m.NotBefore.IsZero():
		return 0, nil
	}
	after := time.Until(m.NotBefore)
	if after > maxRung {
		return 0, badConfig("Message.NotBefore", m.NotBefore.Format(time.RFC3339),
			fmt.Sprintf("%v from now at most", maxRung))
	}
	if after <= 0 {
		return 0, nil
	}
	return rung(after), nil
}

// send publishes out, all in flight together, delayed ones to their delay queues. It fills errs
// with an error for each, nil for a confirmed one. It skips those that have an error already.
func (q *Queue) send(ctx context.Context, out []outgoing, errs []error) {
	sent, at := make([]outgoing, 0, len(out)), make([]int, 0, len(out))
	for i := range out {
		o := out[i]
		if errs[i] == nil && o.delay > 0 {
			o.queue = q.delayName(o.delay)
			errs[i] = q.ensureDelay(ctx, o.delay)
		}
		if errs[i] == nil {
			sent, at = append(sent, o), append(at, i)
		}
	}
	for i, err := range q.broker.publisher.publish(ctx, sent) {
		if err == nil && sent[i].delay > 0 {
			q.broker.waiting.note(q.name, sent[i].queue, time.Now().Add(sent[i].delay))
		}
		errs[at[i]] = err
	}
}
