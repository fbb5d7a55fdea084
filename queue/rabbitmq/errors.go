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
	// ErrRefused is wrapped by the error of a call that the broker refused because of missing
	// rights. The user or password is wrong, the virtual host is missing or closed to the user, or
	// the user may not declare, read or write the queue. The rights may be granted later.
	ErrRefused = errors.New("rabbitmq: refused by the broker")

	// ErrUnroutable is wrapped by the error of a published message that the broker returned,
	// because the queue does not exist.
	ErrUnroutable = errors.New("rabbitmq: no such queue")

	// ErrNacked is wrapped by the error of a published message that the broker did not take,
	// because the queue is full, or of an internal failure.
	ErrNacked = errors.New("rabbitmq: the broker did not take the message")

	// ErrBlocked is wrapped by the error of a settlement whose copy was not published, because the
	// broker blocks publishers: it is short of memory or disk. See [Broker.Blocked]. Calls of a
	// store or a bus wrap it, too.
	ErrBlocked = errors.New("rabbitmq: the broker blocks publishers")

	// ErrUnconfirmed is wrapped by the error of a published message whose connection ended before
	// its confirm.
	ErrUnconfirmed = errors.New("rabbitmq: connection lost before the confirm")
)

// errConsumerCancelled is the reason of a session whose consumer the broker has cancelled.
var errConsumerCancelled = errors.New("the broker cancelled the consumer: the queue was deleted, or its node is gone")

// errConsumerTimeout is the reason of a session that has held a delivery for longer than a server
// from 4.3 on allows. An older server ends the channel, with the reason.
var errConsumerTimeout = errors.New("the broker cancelled the consumer, and the queue is still there: " +
	"a delivery was held for longer than the consumer timeout, and was taken back: right would be a longer one " +
	"(Config.ConsumerTimeout, or consumer_timeout at the broker), or shorter jobs")

// explain adds the remedy to the broker's refusals. It returns other errors unchanged.
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
	case amqp.InternalError:
		// For example, another node is creating the same queue, or the leader is being elected.
		return fmt.Errorf("%w: %w", queue.ErrUnavailable, err)
	case amqp.NotFound:
		if isDown(reply) {
			return fmt.Errorf("%w: %w", queue.ErrUnavailable, err)
		}
		return fmt.Errorf("%w: %w", queue.ErrConfig, err)
	}
	return err
}

// isDown reports whether the queue exists, but its node is down. RabbitMQ then answers "not found",
// with "home node '...' of durable queue '...' is down or inaccessible".
func isDown(reply *amqp.Error) bool {
	return reply.Code == amqp.NotFound && strings.Contains(reply.Reason, "is down or inaccessible")
}

// inequivalent matches RabbitMQ's error about a queue that exists with other properties.
var inequivalent = regexp.MustCompile(`inequivalent arg '([^']*)' for queue '([^']*)' in vhost '[^']*': ` +
	`received (.*) but current is (.*)$`)

// mismatch returns the error about a property of a queue that differs from the requested one.
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
