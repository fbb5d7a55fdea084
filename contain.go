package gentask

import (
	"context"

	"github.com/gentask/gentask/actor"
)

// contain runs code of the user's, or of a driver of his, in a goroutine of its own and returns what that returns; a panic and a Goexit are errors.
// When ctx ends first contain returns its cause, and what comes too late is nobody's.
func contain[T any](ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	ended := make(chan result, 1) // Buffered: nobody may be there any more.
	go func() {
		var r result
		returned := false
		defer func() {
			if reason := actor.Recovered(recover(), returned); reason != nil {
				r.err = reason
			}
			ended <- r
		}()
		r.value, r.err = f(ctx)
		returned = true
	}()
	select {
	case r := <-ended:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
