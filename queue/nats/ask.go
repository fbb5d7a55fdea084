package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gentask/gentask/queue"
)

// Times of a question. What is asked of a cluster while it elects a leader is never answered, not even when there is one: the question has to be
// put again. The first repetitions are quick, for an election is over from one moment to the next; the later ones are for a server that is slow.
const (
	firstPatience = 400 * time.Millisecond
	lastPatience  = 2 * time.Second
	quickAsks     = 5
	askAgain      = 200 * time.Millisecond // after an answer that says: not now
)

// ask puts a question that may be put twice, again and again until it is answered or ctx ends.
func ask[T any](ctx context.Context, l *link, question func(context.Context) (T, error)) (T, error) {
	patience := firstPatience
	for n := 1; ; n++ {
		one, cancel := context.WithTimeout(ctx, patience)
		answer, err := question(one)
		unanswered := one.Err() != nil
		cancel()
		if err == nil || ctx.Err() != nil || l.forbidden() || !unanswered && !notNow(err) {
			return answer, err
		}
		if !unanswered {
			select {
			case <-time.After(askAgain):
			case <-ctx.Done():
				return answer, err
			}
		}
		if n >= quickAsks {
			patience = min(2*patience, lastPatience)
		}
	}
}

// notAvailable is what JetStream answers while the cluster has no leader of its own.
const notAvailable jetstream.ErrorCode = 10008

// notNow says that the cluster answers, and can't serve just now.
func notNow(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == notAvailable
}

// unavailable marks the error of an Open that nobody has refused. That nobody answers on the API's subjects is how a server begins and ends.
func unavailable(err error) error {
	switch {
	case errors.Is(err, ErrRefused):
	case errors.Is(err, context.DeadlineExceeded), notNow(err), errors.Is(err, natsgo.ErrNoResponders):
		return fmt.Errorf("%w: %w", queue.ErrUnavailable, err)
	}
	return err
}
