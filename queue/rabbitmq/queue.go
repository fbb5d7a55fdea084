package rabbitmq

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Queue is one work queue with its related queues: "<name>.dead" for dead letters, and delay queues
// that are declared when needed. It is a [queue.Source] and a [queue.Publisher]. It is safe for
// concurrent use.
type Queue struct {
	broker *Broker
	name   string
}

// Name returns the queue's name.
func (q *Queue) Name() string { return q.name }

// System returns "rabbitmq", for [queue.SystemNamed].
func (*Queue) System() string { return "rabbitmq" }

// Publish implements [queue.Publisher]. It publishes msgs persistently, and returns nil when the
// broker has confirmed them all. They are in flight together, also with those of other calls; the
// messages of one call keep their order. The first Publish declares or checks the queue. A message
// with NotBefore waits in a delay queue, up to 40 days, and comes up to an eighth of that time
// late. While the broker blocks publishers, Publish waits until ctx ends.
//
// Otherwise Publish returns a [*queue.PublishError] that lists each message without a confirm. Its
// error wraps
//
//   - [ErrUnroutable] if the queue does not exist (any more),
//   - [ErrNacked] if the broker refused it,
//   - [ErrUnconfirmed] if the connection broke (the next Publish makes a new one),
//   - [queue.ErrConfig] if it is invalid, or does not fit the protocol,
//   - [queue.ErrUnsupported] for a UniqueKey,
//   - [queue.ErrTooLarge] if its body exceeds the broker's limit,
//   - or ctx.Err().
func (q *Queue) Publish(ctx context.Context, msgs ...queue.Message) error {
	_, _, err := q.publish(ctx, msgs)
	return err
}

// PublishResults implements queue.ResultPublisher. None is a Duplicate: RabbitMQ drops no message
// for another one.
func (q *Queue) PublishResults(ctx context.Context, msgs ...queue.Message) ([]queue.PublishResult, error) {
	out, errs, err := q.publish(ctx, msgs)
	results := make([]queue.PublishResult, len(msgs))
	for i := range results {
		results[i] = queue.PublishResult{ID: out[i].msg.MessageId, Err: errs[i]}
	}
	return results, err
}

// publish returns what it has made of msgs, and why each has no confirm.
func (q *Queue) publish(ctx context.Context, msgs []queue.Message) ([]outgoing, []error, error) {
	if len(msgs) == 0 {
		return nil, nil, nil
	}
	out, errs := make([]outgoing, len(msgs)), make([]error, len(msgs))
	for i := range msgs {
		out[i] = q.outgoing(msgs[i])
		out[i].delay, errs[i] = q.order(&msgs[i])
	}
	err := checkName(q.name)
	if err == nil {
		err = q.ensureQueue(ctx)
	}
	if err == nil {
		q.send(ctx, out, errs)
	}
	var failed []queue.PublishFailure
	for i := range errs {
		if errs[i] = errors.Join(err, errs[i]); errs[i] != nil {
			failed = append(failed, queue.PublishFailure{ID: out[i].msg.MessageId, Err: errs[i]})
		}
	}
	if failed == nil {
		return out, errs, nil
	}
	return out, errs, &queue.PublishError{Failed: failed}
}

// outgoing returns m for the wire, with its empty fields filled in.
func (q *Queue) outgoing(m queue.Message) outgoing {
	if m.ID == "" {
		m.ID = rand.Text()
	}
	if m.Time.IsZero() {
		m.Time = time.Now()
	}
	headers := make(amqp.Table, len(m.Headers)+1)
	for name, value := range m.Headers {
		headers[name] = value
	}
	headers[headerMillis] = m.Time.UnixMilli()
	if m.NotBefore.After(time.Now()) {
		headers[headerNotBefore] = dueText(m.NotBefore)
	}
	record(headers, m.Properties)
	o := outgoing{queue: q.name, priority: m.Priority, msg: amqp.Publishing{
		Headers: headers, ContentType: m.ContentType, DeliveryMode: amqp.Persistent, MessageId: m.ID, Timestamp: m.Time,
		Body:            m.Body,
		ContentEncoding: compression(m.Headers[queue.HeaderEncoding]),
	}}
	setFields(&o.msg, m.Properties)
	return o
}

// DeadLetters returns up to limit dead letters, the oldest first, and leaves them where they are. A
// limit below 1 is an error that wraps [queue.ErrConfig]. A queue that was never used has none.
//
// It reads them like [Queue.Letters]: for milliseconds others do not see them, and afterwards the
// broker marks them as redelivered.
func (q *Queue) DeadLetters(ctx context.Context, limit int) ([]queue.Message, error) {
	if limit < 1 {
		return nil, badConfig("limit", limit, "at least 1")
	}
	var letters []queue.Message
	for letter, err := range q.Letters().All(ctx, queue.LetterFilter{}) {
		if err != nil {
			return nil, err
		}
		if letters = append(letters, letter.Message); len(letters) == limit {
			break
		}
	}
	return letters, nil
}

// Inspect implements queue.Inspector. Delayed and Held are queue.CountUnknown. Ready includes the
// suspects at their place, if a consumer of this Broker isolates them. Like Open and
// Publish it declares a queue that does not exist, and with Config.Passive refuses one with an
// error that wraps queue.ErrConfig.
func (q *Queue) Inspect(ctx context.Context) (queue.Stats, error) {
	if err := checkName(q.name); err != nil {
		return queue.Stats{}, err
	}
	var work, dead, suspects amqp.Queue
	err := q.broker.controlLink(ctx, fmt.Sprintf("inspect queue %q", q.name), func(l *link) error {
		if _, err := q.declare(l); err != nil {
			return err
		}
		return l.briefly(func(ch *amqp.Channel) (err error) {
			if work, err = ch.QueueDeclarePassive(q.name, true, false, false, false, nil); err != nil {
				return err
			}
			if dead, err = ch.QueueDeclarePassive(q.deadName(), true, false, false, false, nil); err != nil {
				return err
			}
			if q.broker.topology.has(q.suspectsName()) {
				suspects, err = ch.QueueDeclarePassive(q.suspectsName(), true, false, false, false, nil)
			}
			return err
		})
	})
	if err != nil {
		return queue.Stats{}, err
	}
	return queue.Stats{
		Ready: work.Messages + suspects.Messages, Delayed: queue.CountUnknown, Held: queue.CountUnknown,
		DeadLettered: dead.Messages, Consumers: work.Consumers,
	}, nil
}

// Delete deletes the queue and its related queues. Messages, dead letters and delayed messages are
// lost, and sessions end with [queue.ErrSessionLost]. A queue that does not exist is no error.
func (q *Queue) Delete(ctx context.Context) error {
	if err := checkName(q.name); err != nil {
		return err
	}
	names := []string{q.name, q.deadName(), q.suspectsName()}
	for delay := range rungs() {
		names = append(names, q.delayName(delay))
	}
	return q.broker.control(ctx, fmt.Sprintf("delete queue %q", q.name), func(ch *amqp.Channel) error {
		for _, name := range names {
			if _, err := ch.QueueDelete(name, false, false, false); err != nil {
				return err
			}
			q.broker.topology.forget(name)
			q.broker.waiting.forget(q.name, name)
		}
		return nil
	})
}
