package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
)

// Run publishes firings of all plans into the queue of p until ctx ends, and then returns nil.
// While p can't be reached it tries again, with a growing delay, and logs that.
//
// It returns an error at once that wraps [queue.ErrConfig] for a wrong plan, and
// [queue.ErrUnsupported] if p can't compare keys. It returns an error later if p refuses a message
// for good or is closed. After ctx has ended it waits 10 s at most, for a publisher and a logger
// that hang. Any number of nodes may run the same plans.
func Run(ctx context.Context, p queue.Publisher, cfg Config) error {
	return run(ctx, p, cfg, wallClock)
}

// run is Run with another clock.
func run(ctx context.Context, p queue.Publisher, cfg Config, now clock) error {
	plans, err := cfg.timetables()
	if err != nil {
		return err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if _, ok := p.(queue.Deduplicator); !ok {
		return fmt.Errorf("schedule: %w: %T compares no messages, so that every node's firing would be "+
			"enqueued: right would be a queue that "+
			"takes a Message.UniqueKey and is a queue.Deduplicator, like JetStream's, or what "+
			"fleet.Node.Unique makes of this one", queue.ErrUnsupported, p)
	}
	book, log := newLogbook(cfg.Logger)
	defer book.close()
	window, err := ask(ctx, &caller{publisher: p}, log)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("schedule: %w", err)
	}
	return runAll(ctx, p, plans, runner{window: window, log: log, watch: watch{now: now}})
}

// ask asks for the window until there is an answer. It gives up if there will be none, and when ctx
// ends.
func ask(ctx context.Context, c *caller, log *slog.Logger) (time.Duration, error) {
	var b backoff
	for {
		window, err := c.window(ctx)
		if err == nil || ctx.Err() != nil || final(err) {
			return window, err
		}
		wait := b.next()
		log.WarnContext(ctx, "schedule: the broker can't be asked for how long it remembers keys",
			"error", err, "again in", wait)
		sleep(ctx, wait)
	}
}

// runAll runs each plan in a runner like the given one, until ctx ends or one of them can't go on.
func runAll(ctx context.Context, p queue.Publisher, plans []timetable, like runner) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(plans))
	var wg sync.WaitGroup
	for i := range plans {
		r := like
		r.timetable, r.caller, r.log = plans[i], &caller{publisher: p}, like.log.With("plan", plans[i].Name)
		wg.Go(func() {
			defer cancel()
			errs[i] = r.run(ctx)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// runner runs one plan.
type runner struct {
	timetable
	watch
	caller *caller
	window time.Duration
	log    *slog.Logger
	latest time.Time // planned time that was fired last
}

// run fires one planned time after the other. It returns nil when ctx ends.
func (r *runner) run(ctx context.Context) error {
	now := r.look()
	planned := r.next(now)
	if r.Missed == Latest {
		if last := r.last(now.Add(-r.margin()), now); !last.IsZero() {
			planned = last
		}
	}
	for !planned.IsZero() {
		due, ok := r.await(ctx, planned)
		if !ok {
			return nil
		}
		if planned, ok = r.late(ctx, due); ok {
			continue
		}
		if err := r.fire(ctx, due); err != nil {
			return err
		}
		r.latest = due
		planned = r.after(ctx, due, r.now())
	}
	r.log.ErrorContext(ctx, "schedule: the plan has no more times")
	<-ctx.Done() // the other plans go on
	return nil
}

// late reports whether due passed too long ago to be fired, because the machine was suspended or
// its clock set forward. It returns the planned time to go on with.
func (r *runner) late(ctx context.Context, due time.Time) (time.Time, bool) {
	if now := r.now(); now.Sub(due) > r.margin() {
		from := due
		if r.before.After(from) {
			from = r.before
		}
		return r.resume(ctx, due, from, now), true
	}
	return due, false
}

// after returns the planned time to fire after planned.
func (r *runner) after(ctx context.Context, planned, now time.Time) time.Time {
	next := r.next(planned)
	if next.IsZero() || next.After(now) {
		return next
	}
	if second := r.next(next); second.IsZero() || second.After(now) {
		return next
	}
	return r.resume(ctx, next, now, now)
}

// resume returns the planned time to go on with when those from first until after were missed:
// Plan.Missed decides.
func (r *runner) resume(ctx context.Context, first, after, now time.Time) time.Time {
	resume := r.next(after)
	if last := r.last(now.Add(-r.margin()), now); r.Missed == Latest && !last.Before(first) {
		resume = last
	}
	r.log.ErrorContext(ctx, "schedule: firings are left out, nobody could publish them in time",
		"first", first, "next", resume)
	return resume
}

// margin is how late a firing may be published. It is well within the window, because that begins
// when the first node publishes.
func (r *runner) margin() time.Duration { return r.window / 10 * 9 }
