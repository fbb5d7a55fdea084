package schedule

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// These limit the cost of a publisher that does not return.
const (
	mostCall  = time.Minute     // of one call, by its context
	mostGrace = 5 * time.Second // from the end of its context to the end of the wait for it
	mostCalls = 4               // that are under way at once, including those that were given up
)

// errStuck is the error of a call that did not return in time.
var errStuck = errors.New("the publisher did not return within 5 s of the end of its context")

// caller calls a publisher, which is foreign code: it may panic, never return, and return errors
// whose methods do the same.
type caller struct {
	publisher queue.Publisher
	underWay  atomic.Int64
}

// publish publishes one message.
func (c *caller) publish(ctx context.Context, m queue.Message) error {
	return c.do(ctx, func(ctx context.Context) error { return c.publisher.Publish(ctx, m) })
}

// publishResult publishes one message, and reports whether the broker had it before.
func (c *caller) publishResult(ctx context.Context, m queue.Message) (duplicate bool, err error) {
	answer := make(chan bool, 1) // Buffered: a late answer is dropped.
	err = c.do(ctx, func(ctx context.Context) error {
		results, err := queue.PublishResults(ctx, c.publisher, m)
		answer <- len(results) == 1 && results[0].Duplicate
		return err
	})
	if err != nil {
		return false, err
	}
	return <-answer, nil
}

// window returns how long keys are remembered.
func (c *caller) window(ctx context.Context) (time.Duration, error) {
	answer := make(chan time.Duration, 1) // Buffered: a late answer is dropped.
	err := c.do(ctx, func(ctx context.Context) error {
		window, err := c.publisher.(queue.Deduplicator).UniqueWindow(ctx) // Run has asserted it
		answer <- window
		return err
	})
	if err != nil {
		return 0, err
	}
	window := <-answer
	if window <= 0 {
		return 0, fmt.Errorf("%w: the queue remembers keys for %v: right would be a time longer than the "+
			"longest outage that is "+
			"to be made good", queue.ErrUnsupported, window)
	}
	return window, nil
}

// do calls f on a goroutine of its own, and returns its error, sealed. It returns when ctx has
// ended and the grace is over, at the latest.
func (c *caller) do(ctx context.Context, f func(context.Context) error) error {
	if n := c.underWay.Add(1); n > mostCalls {
		c.underWay.Add(-1)
		return fmt.Errorf("%d calls of the publisher have not returned yet", mostCalls)
	}
	ctx, cancel := context.WithTimeout(ctx, mostCall)
	defer cancel()
	ended := make(chan error, 1) // Buffered: the caller may have gone on.
	go func() {
		err := errors.New("the publisher called runtime.Goexit")
		defer func() {
			c.underWay.Add(-1)
			ended <- err
		}()
		err = contained(ctx, f)
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace := time.NewTimer(mostGrace)
	defer grace.Stop()
	select {
	case err := <-ended:
		return err
	case <-grace.C:
		return errStuck
	}
}

// contained calls f. A panic is an error, and the error is sealed.
func contained(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the publisher panicked: %s\n%s", cut(guard.Text(r)), debug.Stack())
		}
	}()
	return seal(f(ctx))
}
