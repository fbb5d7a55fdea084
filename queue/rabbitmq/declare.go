package rabbitmq

import (
	"errors"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Arguments of a quorum queue that moves its messages at least once.
const (
	argStrategy = "x-dead-letter-strategy"
	argOverflow = "x-overflow"

	atLeastOnce   = "at-least-once"
	rejectPublish = "reject-publish"
)

// create declares the queues, and makes new ones durable at once: see pin.
func (q *Queue) create(l *link) error {
	made, err := q.declare(l)
	if err != nil || q.broker.cfg.Passive {
		return err
	}
	return l.briefly(func(ch *amqp.Channel) error { return q.pin(l.server, ch, made) })
}

// declare declares the work queue and its dead-letter queue, or checks them in passive mode. It
// returns the broker's answer for the work queue.
//
// A quorum queue that an earlier version has declared dead-letters at most once what it gives up
// itself. It is accepted, because the arguments of a queue can't change.
func (q *Queue) declare(l *link) (made amqp.Queue, err error) {
	if err := q.broker.cfg.priorities(l.server); err != nil {
		return made, err
	}
	if q.broker.cfg.Passive {
		return made, l.briefly(q.check)
	}
	args := q.workArgs()
	if q.broker.cfg.Type == Quorum {
		args[argStrategy], args[argOverflow] = atLeastOnce, rejectPublish
	}
	made, err = q.declareAs(l, args)
	if lacks(err, argStrategy) || lacks(err, argOverflow) {
		delete(args, argStrategy)
		delete(args, argOverflow)
		made, err = q.declareAs(l, args)
	}
	return made, err
}

// declareAs declares both queues, on a channel that the broker may close.
func (q *Queue) declareAs(l *link, args amqp.Table) (made amqp.Queue, err error) {
	err = l.briefly(func(ch *amqp.Channel) error {
		if _, err := ch.QueueDeclare(q.deadName(), true, false, false, false, q.args()); err != nil {
			return err
		}
		made, err = ch.QueueDeclare(q.name, true, false, false, false, args)
		return err
	})
	return made, err
}

// workArgs returns the arguments of the work queue.
func (q *Queue) workArgs() amqp.Table {
	args := q.args()
	args["x-dead-letter-exchange"] = ""
	args["x-dead-letter-routing-key"] = q.deadName()
	if q.broker.cfg.MaxPriority > 0 && q.broker.cfg.Type == Classic {
		args["x-max-priority"] = q.broker.cfg.MaxPriority
	}
	if q.broker.cfg.SingleActiveConsumer {
		args[argSingle] = true
	}
	return args
}

// lacks reports whether the queue exists without an argument.
func lacks(err error, arg string) bool {
	var reply *amqp.Error
	if !errors.As(err, &reply) {
		return false
	}
	m := inequivalent.FindStringSubmatch(reply.Reason)
	return m != nil && m[1] == arg && m[4] == "none"
}
