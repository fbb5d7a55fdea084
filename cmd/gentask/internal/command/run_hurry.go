package command

import (
	"context"
	"errors"
	"sync"

	"github.com/gentask/gentask"
)

// errHurried is the cause of the end of programs at a second signal.
var errHurried = errors.New("a second signal")

// hurried returns a middleware that ends jobs when hurry is closed. They are given back without the
// cost of an attempt.
func hurried(hurry <-chan struct{}) gentask.Middleware {
	return func(next gentask.RunFunc) gentask.RunFunc {
		return func(ctx context.Context, job gentask.Job[any]) (any, error) {
			ctx, cancel := context.WithCancelCause(ctx)
			over := make(chan struct{})
			var watch sync.WaitGroup
			watch.Go(func() {
				select {
				case <-hurry:
					cancel(errHurried)
				case <-over:
				}
			})
			defer func() { close(over); watch.Wait(); cancel(nil) }()
			result, err := next(ctx, job)
			if err != nil && errors.Is(context.Cause(ctx), errHurried) {
				err = gentask.Release()
			}
			return result, err
		}
	}
}
