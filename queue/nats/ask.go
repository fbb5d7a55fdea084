package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gentask/gentask/queue"
)

// Times of a question. What is asked of a cluster while it elects a leader is never answered, not even when there is one: the question has to be
// put again. The earlier ones still count, for a server may be slow; whoever has none for long is asked less and less often.
const (
	askEvery = 300 * time.Millisecond
	askQuick = 5 * time.Second
	askMost  = 5 * time.Second
)

// answer is what comes back.
type answer[T any] struct {
	value T
	err   error
}

// ask puts a question that may be put twice, again and again until it is answered or ctx ends.
func ask[T any](ctx context.Context, l *link, question func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithCancel(ctx)
	answers := make(chan answer[T])
	var asked sync.WaitGroup
	defer asked.Wait()
	defer cancel()
	put := func() {
		value, err := question(ctx)
		select {
		case answers <- answer[T]{value, err}:
		case <-ctx.Done():
		}
	}
	asked.Go(put)
	var none T
	start, wait := time.Now(), askEvery
	for {
		select {
		case a := <-answers:
			if !notNow(a.err) {
				return a.value, a.err
			}
		case <-time.After(wait):
			if l.forbidden() {
				return none, l.nc.LastError()
			}
			if time.Since(start) > askQuick {
				wait = min(2*wait, askMost)
			}
			asked.Go(put)
		case <-ctx.Done():
			return none, ctx.Err()
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
