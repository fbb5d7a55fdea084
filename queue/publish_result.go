package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
)

// PublishResult is what became of one message that was published.
type PublishResult struct {
	// ID is the message's: the one that it had, or the one that its publisher has filled in. It is
	// empty for a message without one that was not sent.
	ID string

	// Duplicate reports that the broker has confirmed the message and dropped it, because another
	// one has taken its UniqueKey, or, on JetStream, its ID. A message that was sent twice because
	// its first confirm was lost is such a duplicate of itself. It is false where the publisher
	// can't find out; RabbitMQ drops none.
	Duplicate bool

	// Err is why the message has no confirm; nil if it has.
	Err error
}

// ResultPublisher is an optional capability of a [Publisher]: to return what became of each
// message. The drivers memory, rabbitmq, nats, embedded and postgres have it. [PublishResults] uses
// it.
type ResultPublisher interface {
	Publisher

	// PublishResults does what Publish does, and returns the same error. The results are those of
	// msgs, in their order, also when there is an error.
	PublishResults(ctx context.Context, msgs ...Message) ([]PublishResult, error)
}

// PublishResults publishes msgs and returns what became of each, in their order, with the error of
// [Publisher.Publish]. A publisher that is no [ResultPublisher] reports no duplicates.
func PublishResults(ctx context.Context, p Publisher, msgs ...Message) ([]PublishResult, error) {
	if r, ok := p.(ResultPublisher); ok {
		return r.PublishResults(ctx, msgs...)
	}
	msgs = slices.Clone(msgs)
	for i := range msgs {
		if msgs[i].ID == "" {
			msgs[i].ID = rand.Text()
		}
	}
	err := p.Publish(ctx, msgs...)
	why := map[string]error{}
	var failed *PublishError
	if errors.As(err, &failed) {
		for _, f := range failed.Failed {
			why[f.ID] = f.Err
		}
	}
	results := make([]PublishResult, len(msgs))
	for i := range msgs {
		results[i] = PublishResult{ID: msgs[i].ID, Err: why[msgs[i].ID]}
		if failed == nil {
			results[i].Err = err
		}
	}
	return results, err
}
