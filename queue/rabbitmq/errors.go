package rabbitmq

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

var (
	// ErrRefused is wrapped by the error of a call that the broker refused for want of rights: a wrong user or password, a virtual host that
	// is missing or closed to the user, or a queue that the user may not declare, read or write. It may be right again later.
	ErrRefused = errors.New("rabbitmq: refused by the broker")

	// ErrUnroutable is wrapped by the error of a published message that the broker returned: no such queue.
	ErrUnroutable = errors.New("rabbitmq: no such queue")

	// ErrNacked is wrapped by the error of a published message that the broker did not take: a full queue, or a fault of its own.
	ErrNacked = errors.New("rabbitmq: the broker did not take the message")

	// ErrBlocked is wrapped by the error of a settlement whose copy was not published, because the broker blocks publishers: it is short of memory
	// or disk. See Broker.Blocked.
	ErrBlocked = errors.New("rabbitmq: the broker blocks publishers")

	// ErrUnconfirmed is wrapped by the error of a published message whose connection ended before its confirm.
	ErrUnconfirmed = errors.New("rabbitmq: connection lost before the confirm")
)

// errLease is why a delayed copy does not count though it was confirmed.
var errLease = errors.New("the confirm came after the lease of the delay queue, which may be gone")

// errConsumerCancelled is why a session is lost that the broker has cancelled.
var errConsumerCancelled = errors.New("the broker cancelled the consumer: the queue was deleted, or its node is gone")

// explain adds what a refusal of the broker means for the user. What is no refusal stays as it is.
func explain(err error) error {
	var reply *amqp.Error
	if !errors.As(err, &reply) {
		return err
	}
	switch reply.Code {
	case amqp.AccessRefused, amqp.NotAllowed:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case amqp.PreconditionFailed:
		return mismatch(err, reply.Reason)
	case amqp.NotFound:
		if isDown(reply) {
			return fmt.Errorf("%w: %w", queue.ErrUnavailable, err)
		}
		return fmt.Errorf("%w: %w", queue.ErrConfig, err)
	}
	return err
}

// isDown says that the queue is there, and its node is not: RabbitMQ answers "not found", with "home node '...' of durable queue '...' is down or
// inaccessible".
func isDown(reply *amqp.Error) bool {
	return reply.Code == amqp.NotFound && strings.Contains(reply.Reason, "is down or inaccessible")
}

// inequivalent is how RabbitMQ says that a queue exists with other properties.
var inequivalent = regexp.MustCompile(`inequivalent arg '([^']*)' for queue '([^']*)' in vhost '[^']*': received (.*) but current is (.*)$`)

// mismatch says which property of which queue is not what was asked for.
func mismatch(err error, reason string) error {
	if limit := sizeLimitOf(reason); limit > 0 {
		return &sizeError{limit: limit, err: err}
	}
	m := inequivalent.FindStringSubmatch(reason)
	if m == nil {
		return err
	}
	return fmt.Errorf("%w: the queue %q exists with other properties: its %s is %s, asked for was %s: %w",
		queue.ErrConfig, m[2], m[1], m[4], m[3], err)
}
