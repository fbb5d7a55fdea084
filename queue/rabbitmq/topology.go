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

// topology remembers the declared queues, and the times of their declarations, so that they are not
// declared for each message.
type topology struct {
	turn chan struct{} // held while declaring; a channel, so that waiting for it ends with a context

	mu       sync.Mutex
	declared map[string]time.Time
}

func newTopology() *topology {
	return &topology{turn: make(chan struct{}, 1), declared: make(map[string]time.Time)}
}

// ensure declares the queue called name, unless that was done less than maxAge ago. It returns the
// time of the declaration.
func (t *topology) ensure(ctx context.Context, name string, maxAge time.Duration, declare func() error) (time.Time,
	error,
) {
	if at, ok := t.fresh(name, maxAge); ok {
		return at, nil
	}
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
	defer func() { <-t.turn }()
	if at, ok := t.fresh(name, maxAge); ok {
		return at, nil
	}
	at := time.Now() // Before the declaration: a lease may seem shorter than it is, but not longer.
	if err := declare(); err != nil {
		return time.Time{}, err
	}
	t.note(name, at)
	return at, nil
}

// fresh returns the time of the last declaration, if that is recent enough.
func (t *topology) fresh(name string, maxAge time.Duration) (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.declared[name]
	return at, ok && time.Since(at) < maxAge
}

// note records the declaration of name.
func (t *topology) note(name string, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.declared[name] = at
}

// forget makes the next ensure declare name again.
func (t *topology) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.declared, name)
}

const (
	// forGood is the maximum age of a declaration without a lease.
	forGood = 1<<63 - 1

	// lostLimit is the number of deliveries of one message that a quorum queue may lose with their
	// sessions before it dead-letters the message. The consumer decides whether a message has
	// failed too often. This limit is for one that kills every connection before any consumer sees
	// it. Without it, RabbitMQ 4 would use 20.
	lostLimit = 1000
)

// ensureQueue declares or checks the work queue and its dead-letter queue, once.
func (q *Queue) ensureQueue(ctx context.Context) error {
	_, err := q.broker.topology.ensure(ctx, q.name, forGood, func() error {
		return q.broker.control(ctx, fmt.Sprintf("queue %q", q.name), q.create)
	})
	return err
}

// ensureDelay declares the delay queue, or renews its lease, and returns the start of the lease.
func (q *Queue) ensureDelay(ctx context.Context, delay time.Duration) (time.Time, error) {
	name := q.delayName(delay)
	return q.broker.topology.ensure(ctx, name, freshness, func() error {
		what := fmt.Sprintf("delay queue %q", name)
		return q.broker.control(ctx, what, func(server serverVersion, ch *amqp.Channel) error {
			made, err := ch.QueueDeclare(name, true, false, false, false, q.delayArgs(delay))
			if err != nil {
				return err
			}
			return q.pin(server, ch, made)
		})
	})
}

// create declares the queues, and makes new ones durable at once: see pin.
func (q *Queue) create(server serverVersion, ch *amqp.Channel) error {
	made, err := q.declare(server, ch)
	if err != nil || q.broker.cfg.Passive {
		return err
	}
	return q.pin(server, ch, made)
}

// pin makes the broker write down that it has created a queue, if that may be new. A broker that
// keeps its queues in Mnesia confirms a change while its last part may still be in memory, for two
// seconds. If it is killed meanwhile, it has forgotten the queue, and all messages in it that it
// has confirmed. A further change writes down all earlier ones. Khepri syncs each change by itself. See
// docs/decisions/0031-flush-new-queues-at-once.md.
func (q *Queue) pin(server serverVersion, ch *amqp.Channel, made amqp.Queue) error {
	if server.hasOnlyKhepri() || made.Messages > 0 || made.Consumers > 0 {
		return nil
	}
	name := q.delayName(0)
	_, err := ch.QueueDeclare(name, true, false, false, false, amqp.Table{
		"x-queue-type": string(Classic), "x-expires": time.Minute.Milliseconds(), // should this client die here
	})
	if err != nil {
		return err
	}
	_, err = ch.QueueDelete(name, false, false, false)
	return err
}

// declare declares the work queue and its dead-letter queue, or checks that they exist in passive
// mode. It returns the broker's answer for the work queue.
func (q *Queue) declare(server serverVersion, ch *amqp.Channel) (amqp.Queue, error) {
	if err := q.broker.cfg.priorities(server); err != nil {
		return amqp.Queue{}, err
	}
	if q.broker.cfg.Passive {
		return amqp.Queue{}, q.check(ch)
	}
	if _, err := ch.QueueDeclare(q.deadName(), true, false, false, false, q.args()); err != nil {
		return amqp.Queue{}, err
	}
	args := q.args()
	args["x-dead-letter-exchange"] = ""
	args["x-dead-letter-routing-key"] = q.deadName()
	if q.broker.cfg.MaxPriority > 0 && q.broker.cfg.Type == Classic {
		args["x-max-priority"] = q.broker.cfg.MaxPriority
	}
	if q.broker.cfg.SingleActiveConsumer {
		args["x-single-active-consumer"] = true
	}
	return ch.QueueDeclare(q.name, true, false, false, false, args)
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
