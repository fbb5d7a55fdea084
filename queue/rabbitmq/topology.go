package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// topology remembers which queues were declared, and when, so that they are not declared for each message.
type topology struct {
	turn chan struct{} // held while declaring; a channel, so that waiting for it ends with a context

	mu       sync.Mutex
	declared map[string]time.Time
}

func newTopology() *topology {
	return &topology{turn: make(chan struct{}, 1), declared: make(map[string]time.Time)}
}

// ensure declares the queue called name unless that was done less than maxAge ago, and returns when it was.
func (t *topology) ensure(ctx context.Context, name string, maxAge time.Duration, declare func() error) (time.Time, error) {
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
	at := time.Now() // Before the declaration: a lease may be thought shorter than it is, not longer.
	if err := declare(); err != nil {
		return time.Time{}, err
	}
	t.note(name, at)
	return at, nil
}

// fresh tells when name was declared, if that is recent enough.
func (t *topology) fresh(name string, maxAge time.Duration) (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.declared[name]
	return at, ok && time.Since(at) < maxAge
}

// note remembers that name was declared.
func (t *topology) note(name string, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.declared[name] = at
}

// forget has name declared again when it is next needed.
func (t *topology) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.declared, name)
}

const (
	// forGood is the age that a declaration of a queue without a lease may have.
	forGood = 1<<63 - 1

	// lostLimit is how many deliveries of one message a quorum queue may lose with their sessions before it dead-letters the message. Whether a
	// message has failed too often is decided by the consumer; this is for one that kills every connection before anybody sees it. It is not left
	// out, because RabbitMQ 4 would then take 20.
	lostLimit = 1000
)

// ensureQueue makes or checks the work queue and its dead-letter queue, once.
func (q *Queue) ensureQueue(ctx context.Context) error {
	_, err := q.broker.topology.ensure(ctx, q.name, forGood, func() error {
		return q.broker.control(ctx, fmt.Sprintf("queue %q", q.name), q.create)
	})
	return err
}

// ensureDelay makes the delay queue, or renews its lease, and returns when the lease began.
func (q *Queue) ensureDelay(ctx context.Context, delay time.Duration) (time.Time, error) {
	name := q.delayName(delay)
	return q.broker.topology.ensure(ctx, name, freshness, func() error {
		return q.broker.control(ctx, fmt.Sprintf("delay queue %q", name), func(ch *amqp.Channel) error {
			made, err := ch.QueueDeclare(name, true, false, false, false, q.delayArgs(delay))
			if err != nil {
				return err
			}
			return q.pin(ch, made)
		})
	})
}

// create declares, and sees to it that what is new lasts.
func (q *Queue) create(ch *amqp.Channel) error {
	made, err := q.declare(ch)
	if err != nil || q.broker.cfg.Passive {
		return err
	}
	return q.pin(ch, made)
}

// pin has the broker write down that it has made a queue, if that may be new. A broker that keeps its queues in Mnesia confirms a change of them
// while the end of it may still be in memory, for two seconds; killed meanwhile, it has forgotten the queue, and with it what it has confirmed
// since. A further change takes all earlier ones along. See docs/decisions/0031-flush-new-queues-at-once.md.
func (q *Queue) pin(ch *amqp.Channel, made amqp.Queue) error {
	if made.Messages > 0 || made.Consumers > 0 {
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

// declare makes the work queue and its dead-letter queue, or checks that they are there when they are somebody else's, and returns what the
// broker says of the work queue.
func (q *Queue) declare(ch *amqp.Channel) (amqp.Queue, error) {
	if q.broker.cfg.Passive {
		return amqp.Queue{}, q.check(ch)
	}
	if _, err := ch.QueueDeclare(q.deadName(), true, false, false, false, q.args()); err != nil {
		return amqp.Queue{}, err
	}
	args := q.args()
	args["x-dead-letter-exchange"] = ""
	args["x-dead-letter-routing-key"] = q.deadName()
	if q.broker.cfg.MaxPriority > 0 {
		args[argPriority] = q.broker.cfg.MaxPriority
	}
	made, err := ch.QueueDeclare(q.name, true, false, false, false, args)
	return made, q.noPriority(err)
}

// argPriority makes a queue one with priorities.
const argPriority = "x-max-priority"

// noPriority says what it means that a broker before 4.3 has no priorities on quorum queues.
func (q *Queue) noPriority(err error) error {
	var reply *amqp.Error
	if q.broker.cfg.Type != Quorum || !errors.As(err, &reply) || reply.Code != amqp.PreconditionFailed || !invalidPriority.MatchString(reply.Reason) {
		return err
	}
	was := fmt.Sprintf("%q with Config.MaxPriority %d", q.broker.cfg.Type, q.broker.cfg.MaxPriority)
	bad := badConfig("Config.Type", was, "Classic, or Config.MaxPriority 0, or RabbitMQ from 4.3 on")
	return fmt.Errorf("%w: %w: %w", bad, queue.ErrUnsupported, err)
}

// invalidPriority is how RabbitMQ says that a kind of queue knows no priorities.
var invalidPriority = regexp.MustCompile(`invalid arg '` + argPriority)

// check looks the queues up.
func (q *Queue) check(ch *amqp.Channel) error {
	for _, name := range []string{q.deadName(), q.name} {
		if _, err := ch.QueueDeclarePassive(name, true, false, false, false, nil); err != nil {
			if isNotFound(err) {
				return fmt.Errorf("%w: Config.Passive is true and there is no queue %q: declare it first: %w", queue.ErrConfig, name, err)
			}
			return err
		}
	}
	return nil
}

// args are what the work queue and its dead-letter queue have in common.
func (q *Queue) args() amqp.Table {
	args := amqp.Table{"x-queue-type": string(q.broker.cfg.Type)}
	if q.broker.cfg.Type == Quorum {
		args["x-delivery-limit"] = lostLimit
	}
	return args
}

// deadName is the name of the dead-letter queue.
func (q *Queue) deadName() string { return q.name + ".dead" }

// isNotFound says that the broker knows no such queue.
func isNotFound(err error) bool {
	var reply *amqp.Error
	return errors.As(err, &reply) && reply.Code == amqp.NotFound && !isDown(reply)
}
