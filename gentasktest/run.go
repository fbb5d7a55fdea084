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

// TB is what this package needs of a test: any testing.TB will do.
type TB interface {
	// Helper says that a failure belongs to the caller.
	Helper()
	// Fatalf ends the test.
	Fatalf(format string, args ...any)
}

// Result is what became of one delivery of a message.
type Result struct {
	// Disposition is how it was settled.
	Disposition queue.Disposition

	// After is the delay of a requeue.
	After time.Duration

	// Reason is why it was settled so; nil for an ack. See actor.Stack for the stack of a panic.
	Reason error

	// Outcome is how its task ended; zero if it did not run.
	Outcome task.Status

	// RunTime is how long its task ran.
	RunTime time.Duration

	// Attempt is which delivery of the message it was, from 1.
	Attempt int

	// Events are what the consumer told up to the end of this delivery, which is the last of them; what came with a result before is left out.
	Events []gentask.Event
}

// limit is for tests in virtual time; in real time, that of go test is shorter.
const limit = 30 * 24 * time.Hour

// Run gives one delivery of msg to a consumer with behavior and cfg, waits until it is settled and its worker and task are gone, and returns what
// became of it. A requeue or a release is not delivered again. A cfg that makes no sense ends the test. Without a Logger in cfg nothing is logged.
func Run(t TB, behavior gentask.Behavior, msg queue.Message, cfg gentask.Config) Result {
	t.Helper()
	results, err := consume(behavior, msg, cfg, 1)
	if err != nil {
		t.Fatalf("gentasktest: %v", err)
		return Result{}
	}
	return results[0]
}

// Finish is Run, again and again, as the queue delivers msg, until it is acknowledged or dead-lettered. It returns what became of each delivery,
// in order. It takes as long as the back-off does: outside a bubble, cfg should make that short.
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
		cfg.Logger = slog.New(slog.DiscardHandler) // the result says it all
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
