package gentasktest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

// TB is the part of a testing.TB that this package uses.
type TB interface {
	// Helper marks a function whose failures belong to its caller.
	Helper()
	// Fatalf ends the test.
	Fatalf(format string, args ...any)
}

// Result describes one delivery of a message.
type Result struct {
	// Settlement is the settlement of the delivery.
	Disposition queue.Disposition

	// After is the delay of a requeue.
	After time.Duration

	// Reason is why it was settled so, and nil for an ack. See [actor.Stack] for the stack of a
	// panic.
	Reason error

	// Outcome is the status of its task's end, and zero if it did not run.
	Outcome task.Status

	// RunTime is the run time of its task.
	RunTime time.Duration

	// Attempt is the number of the delivery, from 1.
	Attempt int

	// Events are the consumer's events up to the end of this delivery, which is the last of them.
	// Events of earlier results are left out.
	Events []gentask.Event
}

// limit is for tests in virtual time. In real time, that of go test is shorter.
const limit = 30 * 24 * time.Hour

// Run gives one delivery of msg to a consumer with behavior and cfg. It returns the result when the
// delivery is settled, and its worker and task are gone. A requeue or a release is not delivered
// again. A wrong cfg ends the test. Without a Logger in cfg nothing is logged.
func Run(t TB, behavior gentask.Behavior, msg queue.Message, cfg gentask.Config) Result {
	t.Helper()
	results, err := consume(behavior, msg, cfg, 1)
	if err != nil {
		t.Fatalf("gentasktest: %v", err)
		return Result{}
	}
	return results[0]
}

// Finish is [Run], again and again, as the queue delivers msg, until it is acknowledged or
// dead-lettered. It returns the result of each delivery, in order. It takes as long as the back-off
// does: outside a bubble, cfg should make that short.
func Finish(t TB, behavior gentask.Behavior, msg queue.Message, cfg gentask.Config) []Result {
	t.Helper()
	results, err := consume(behavior, msg, cfg, math.MaxInt)
	if err != nil {
		t.Fatalf("gentasktest: %v", err)
	}
	return results
}

// consume returns the results of up to most deliveries.
func consume(behavior gentask.Behavior, msg queue.Message, cfg gentask.Config, most int) ([]Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	src := &source{Queue: memory.New(memory.Config{Name: "gentasktest"})}
	defer src.Close()
	src.left.Store(int64(most))
	if err := src.Publish(ctx, msg); err != nil {
		return nil, err
	}
	r := &recorder{next: cfg.OnEvent, most: most, done: make(chan struct{})}
	cfg.OnEvent = r.event
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler) // the result has it all
	}
	c, err := gentask.New(src, behavior, cfg)
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	select {
	case <-r.done:
	case <-c.Done():
	case <-ctx.Done():
	}
	if _, err := c.Stop(ctx); err != nil {
		return nil, err
	}
	if !r.over {
		return nil, fmt.Errorf("the message was not settled: %w", cmp.Or(c.Err(), ctx.Err()))
	}
	return r.results, nil
}
