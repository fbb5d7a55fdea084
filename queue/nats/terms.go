package nats

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// terms are the properties of a queue that its sessions honour, with any values.
type terms struct {
	lease    time.Duration
	subjects []string // of the stream

	// Limits of a request for messages.
	batch  int
	expiry time.Duration

	crowded error // the consumer takes no more requests; nil if it does
}

// minExpiry is the shortest max_expires. Sessions would make requests in a hot loop below it.
const minExpiry = 100 * time.Millisecond

// termsOf returns the terms of a stream with such a consumer.
func termsOf(name string, stream properties, consumer *info) terms {
	t := terms{
		lease: consumer.Config.duration("ack_wait"), subjects: stream.texts("subjects"),
		batch: math.MaxInt, expiry: expiry,
		crowded: crowded(name, consumer),
	}
	if most := consumer.Config.number("max_batch"); most > 0 {
		t.batch = int(most)
	}
	if most := consumer.Config.duration("max_expires"); most > 0 {
		t.expiry = min(t.expiry, most)
	}
	return t
}

// errGone is returned by examine if the queue, or its consumer, was deleted.
var errGone = errors.New("nats: the queue was deleted")

// examine returns the terms of a queue as it is now. It returns a [*MismatchError] if a session
// must not go on, and errGone. Other errors mean that the server does not answer at the moment.
func (q *Queue) examine(ctx context.Context, l *link) (terms, error) {
	ctx, cancel := context.WithTimeout(ctx, watchTime)
	defer cancel()
	stream, err := l.streamInfo(ctx, q.name)
	if err != nil {
		return terms{}, gone(err)
	}
	if err := mismatch("stream", q.name, q.broker.streamRules(q.name).differences(stream.Config)); err != nil {
		return terms{}, err
	}
	consumer, err := l.consumerInfo(ctx, q.name)
	if err != nil {
		return terms{}, gone(err)
	}
	if err := q.broker.checkConsumer(q.name, consumer.Config); err != nil {
		return terms{}, err
	}
	return termsOf(q.name, stream.Config, consumer), q.examineDead(ctx, l)
}

// examineDead returns a [*MismatchError] about the dead-letter queue. It may be without a leader,
// because only dead letters need it.
func (q *Queue) examineDead(ctx context.Context, l *link) error {
	name := q.name + deadSuffix
	dead, err := l.streamInfo(ctx, name)
	if err != nil {
		return nil //nolint:nilerr // nothing is known
	}
	return mismatch("stream", name, q.broker.streamRules(name).differences(dead.Config))
}

// crowded returns a [*MismatchError] if the consumer takes no more requests. Servers drop a request
// beyond max_waiting, some of them without a word.
func crowded(name string, consumer *info) error {
	most := consumer.Config.number("max_waiting")
	if most >= maxWaiting || int64(consumer.Waiting) < most {
		return nil
	}
	return mismatch("consumer", name+" > "+consumerName, []string{fmt.Sprintf(
		"max_waiting is %d, and %d requests wait, must be %d: each session has several", most, consumer.Waiting,
		maxWaiting)})
}

// gone returns errGone in place of the errors that mean it.
func gone(err error) error {
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return err
}
