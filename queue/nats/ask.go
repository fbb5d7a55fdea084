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

// Times of a request. A request to a cluster that is electing a leader is never answered, not even
// once there is one, so it must be sent again. The earlier requests still count, because a server
// may be slow. Without an answer the interval between requests grows.
const (
	askEvery = 300 * time.Millisecond
	askQuick = 5 * time.Second
	askMost  = 5 * time.Second
)

// answer is the result of a request.
type answer[T any] struct {
	value T
	err   error
}

// ask sends an idempotent request again and again until it is answered or ctx ends.
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

// notAvailable is the error code of JetStream while the cluster has no leader.
const notAvailable jetstream.ErrorCode = 10008

// notNow reports whether the cluster answers, but can't serve at the moment.
func notNow(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == notAvailable
}

// unavailable marks the error of an Open that was not refused with [queue.ErrUnavailable]. A server
// that starts or stops has no responders on the API's subjects.
func unavailable(err error) error {
	switch {
	case errors.Is(err, ErrRefused):
	case errors.Is(err, context.DeadlineExceeded), notNow(err), errors.Is(err, natsgo.ErrNoResponders):
		return fmt.Errorf("%w: %w", queue.ErrUnavailable, err)
	}
	return err
}
