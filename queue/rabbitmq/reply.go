package rabbitmq

import (
	"context"
	"fmt"
	"strings"

	"github.com/gentask/gentask/queue"
)

// directReply is the prefix of the addresses of RabbitMQ's direct reply-to, which are no queues.
const directReply = "amq.rabbitmq.reply-to"

// ReplyTo returns a publisher of answers to the queue called name, which is the
// [queue.Properties.ReplyTo] of a request. It declares nothing, because the queue is the
// requester's. Publish returns when the broker has confirmed the answer, or with an error that
// wraps [ErrUnroutable] if the queue is gone. An answer to an address of direct reply-to is
// confirmed even if the requester has gone.
//
// The publisher supports neither NotBefore nor UniqueKey. It may be kept, and is safe for
// concurrent use.
func (b *Broker) ReplyTo(name string) queue.Publisher { return replies{broker: b, name: name} }

// replies implements queue.Publisher.
type replies struct {
	broker *Broker
	name   string
}

// Publish implements [queue.Publisher].
func (r replies) Publish(ctx context.Context, msgs ...queue.Message) error {
	q := r.broker.Queue(r.name)
	out, errs := make([]outgoing, len(msgs)), make([]error, len(msgs))
	for i := range msgs {
		out[i], errs[i] = q.outgoing(msgs[i]), r.check(&msgs[i])
		out[i].unrouted = strings.HasPrefix(r.name, directReply+".")
	}
	q.send(ctx, out, errs)
	var failed []queue.PublishFailure
	for i, err := range errs {
		if err != nil {
			failed = append(failed, queue.PublishFailure{ID: out[i].msg.MessageId, Err: err})
		}
	}
	if failed != nil {
		return &queue.PublishError{Failed: failed}
	}
	return nil
}

// check returns an error for an address that is none, and for a message that can't be published to
// it.
func (r replies) check(m *queue.Message) error {
	switch err := m.Check(); {
	case err != nil:
		return fmt.Errorf("rabbitmq: %w", err)
	case r.name == "" || len(r.name) > maxShort:
		return badConfig("the address for answers", fmt.Sprintf("%.20q with %d bytes", r.name, len(r.name)),
			"the ReplyTo of a request, of 1 to 255 bytes")
	case !m.NotBefore.IsZero():
		return fmt.Errorf("rabbitmq: %w: Message.NotBefore is set for an answer: right would be zero",
			queue.ErrUnsupported)
	case m.UniqueKey != "":
		return fmt.Errorf("rabbitmq: %w: Message.UniqueKey is %q for an answer: right would be none",
			queue.ErrUnsupported, m.UniqueKey)
	}
	return nil
}
