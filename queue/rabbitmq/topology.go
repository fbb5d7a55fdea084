package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// topology remembers the declared queues, so that they are not declared for each message.
type topology struct {
	turn chan struct{} // held while declaring; a channel, so that waiting for it ends with a context

	mu       sync.Mutex
	declared map[string]bool
}

func newTopology() *topology {
	return &topology{turn: make(chan struct{}, 1), declared: make(map[string]bool)}
}

// ensure declares the queue called name, unless that was done before.
func (t *topology) ensure(ctx context.Context, name string, declare func() error) error {
	if t.has(name) {
		return nil
	}
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-t.turn }()
	if t.has(name) {
		return nil
	}
	if err := declare(); err != nil {
		return err
	}
	t.note(name)
	return nil
}

// has reports whether name was declared.
func (t *topology) has(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.declared[name]
}

// note records the declaration of name.
func (t *topology) note(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.declared[name] = true
}

// forget makes the next ensure declare name again.
func (t *topology) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.declared, name)
}

// lostLimit is the number of deliveries of one message that a quorum queue may lose with their
// sessions before it dead-letters the message. The consumer decides whether a message has failed
// too often. This limit is for one that kills every connection before any consumer sees it. Without
// it, RabbitMQ 4 would use 20.
const lostLimit = 1000

// ensureQueue declares or checks the work queue and its dead-letter queue, once.
func (q *Queue) ensureQueue(ctx context.Context) error {
	return q.broker.topology.ensure(ctx, q.name, func() error {
		return q.broker.controlLink(ctx, fmt.Sprintf("queue %q", q.name), q.create)
	})
}

// ensureDelay declares the delay queue, once.
func (q *Queue) ensureDelay(ctx context.Context, delay time.Duration) error {
	name := q.delayName(delay)
	return q.broker.topology.ensure(ctx, name, func() error {
		return q.broker.controlLink(ctx, fmt.Sprintf("delay queue %q", name), func(l *link) error {
			return l.briefly(func(ch *amqp.Channel) error {
				made, err := ch.QueueDeclare(name, true, false, false, false, q.delayArgs(delay))
				if err != nil {
					return err
				}
				return q.pin(l.server, ch, made)
			})
		})
	})
}

// pin makes the broker write down that it has created a queue, if that may be new. A broker that
// keeps its queues in Mnesia confirms a change while its last part may still be in memory, for two
// seconds. If it is killed meanwhile, it has forgotten the queue, and all messages in it that it
// has confirmed. A further change writes down all earlier ones. Khepri syncs each change by itself.
// See docs/decisions/0031-flush-new-queues-at-once.md.
func (q *Queue) pin(server serverVersion, ch *amqp.Channel, made amqp.Queue) error {
	return pin(server, ch, made, q.delayName(0))
}

// pin is that for any queue, by way of another one with that name.
func pin(server serverVersion, ch *amqp.Channel, made amqp.Queue, name string) error {
	if server.hasOnlyKhepri() || made.Messages > 0 || made.Consumers > 0 {
		return nil
	}
	_, err := ch.QueueDeclare(name, true, false, false, false, amqp.Table{
		"x-queue-type": string(Classic), "x-expires": time.Minute.Milliseconds(), // should this client die here
	})
	if err != nil {
		return err
	}
	_, err = ch.QueueDelete(name, false, false, false)
	return err
}

// check checks that the queues exist.
func (q *Queue) check(ch *amqp.Channel) error {
	for _, name := range []string{q.deadName(), q.name} {
		if _, err := ch.QueueDeclarePassive(name, true, false, false, false, nil); err != nil {
			if isNotFound(err) {
				return fmt.Errorf("%w: Config.Passive is true and there is no queue %q: declare it first: %w",
					queue.ErrConfig, name, err)
			}
			return err
		}
	}
	return nil
}

// args returns the common arguments of the work queue and its dead-letter queue.
func (q *Queue) args() amqp.Table {
	args := amqp.Table{"x-queue-type": string(q.broker.cfg.Type)}
	if q.broker.cfg.Type == Quorum {
		args["x-delivery-limit"] = lostLimit
	}
	return args
}

// deadName returns the name of the dead-letter queue.
func (q *Queue) deadName() string { return q.name + ".dead" }

// isNotFound reports whether the queue does not exist at the broker.
func isNotFound(err error) bool {
	var reply *amqp.Error
	return errors.As(err, &reply) && reply.Code == amqp.NotFound && !isDown(reply)
}
