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
	return runAll(ctx, p, plans, cfg.Stored, runner{window: window, log: log, watch: watch{now: now}})
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
func runAll(ctx context.Context, p queue.Publisher, plans []timetable, stored *Plans, like runner) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(plans)+1)
	var wg sync.WaitGroup
	for i := range plans {
		r := like.of(plans[i], p)
		wg.Go(func() {
			defer cancel()
			errs[i] = r.run(ctx, ctx)
		})
	}
	if stored != nil {
		f := newFollower(stored, plans, p, like)
		wg.Go(func() {
			defer cancel()
			errs[len(plans)] = f.run(ctx)
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

	// Of stored plans only.
	from      time.Time // planned times after it are the plan's, which was changed while Run runs
	kept      keeper    // what the store has of the plan; nil for others
	recovered time.Time // missed planned time, to be fired beyond its window
}

// keeper is what a store has of a plan.
type keeper interface {
	// covered returns the planned time up to which nothing is missed.
	covered() time.Time

	// fired notes a firing that the broker has, from this node unless it is a duplicate.
	fired(planned time.Time, duplicate bool)
}

// of returns a runner like r for another plan.
func (r runner) of(plan timetable, p queue.Publisher) *runner {
	r.timetable, r.caller, r.log = plan, &caller{publisher: p}, r.log.With("plan", plan.Name)
	return &r
}

// run fires one planned time after the other. It returns nil when ctx ends. When waiting ends, it
// returns after the present firing.
func (r *runner) run(ctx, waiting context.Context) error {
	planned := r.first(r.look())
	for !planned.IsZero() {
		due, ok := r.await(waiting, planned)
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
	<-waiting.Done() // the other plans go on
	return nil
}

// first returns the planned time to begin with.
func (r *runner) first(now time.Time) time.Time {
	if !r.from.IsZero() && r.from.Before(now) {
		return r.next(r.from)
	}
	if r.Missed == Latest {
		if last := r.missed(now); !last.IsZero() {
			return last
		}
	}
	return r.next(now)
}

// missed returns the last planned time that may still be fired, or zero if there is none. The
// broker drops it if it was fired.
func (r *runner) missed(now time.Time) time.Time {
	since := now.Add(-r.margin())
	if r.kept != nil {
		since = r.kept.covered()
	}
	last := r.last(since, now)
	if now.Sub(last) > r.margin() {
		r.recovered = last
	}
	return last
}

// late reports whether due passed too long ago to be fired, because the machine was suspended or
// its clock set forward. It returns the planned time to go on with.
func (r *runner) late(ctx context.Context, due time.Time) (time.Time, bool) {
	if now := r.now(); now.Sub(due) > r.margin() && !due.Equal(r.recovered) {
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
	if last := r.missed(now); r.Missed == Latest && !last.Before(first) {
		resume = last
	}
	r.log.ErrorContext(ctx, "schedule: firings are left out, nobody could publish them in time",
		"first", first, "next", resume)
	return resume
}

// margin is how late a firing may be published. It is well within the window, because that begins
// when the first node publishes.
func (r *runner) margin() time.Duration { return r.window / 10 * 9 }
