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

// nap is the longest sleep. Timers know nothing of a clock that is set, and some nothing of a machine that was suspended.
const nap = time.Minute

// Run publishes firings of all plans into the queue of p until ctx ends, and then returns nil. It returns an error at once that wraps
// queue.ErrConfig when a plan is not right, and queue.ErrUnsupported when p can't tell one firing from another; also later, when p refuses a
// message for good or is closed. While p can't be reached it tries again, with a growing delay, and says so in the log. Any number of
// nodes may run the same plans.
func Run(ctx context.Context, p queue.Publisher, cfg Config) error {
	plans, err := cfg.timetables()
	if err != nil {
		return err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	u, ok := p.(queue.Uniquer)
	if !ok {
		return fmt.Errorf("schedule: %w: %T compares no messages, so that every node's firing would be enqueued: right would be a queue that "+
			"takes a Message.UniqueKey and is a queue.Uniquer, like JetStream's", queue.ErrUnsupported, p)
	}
	window, err := ask(ctx, u, cfg.Logger)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("schedule: %w", err)
	}
	return runAll(ctx, p, plans, window, cfg.Logger)
}

// ask asks for the window until there is an answer. It gives up when there will be none, and when ctx ends.
func ask(ctx context.Context, u queue.Uniquer, log *slog.Logger) (time.Duration, error) {
	var b backoff
	for {
		window, err := u.UniqueWindow(ctx)
		if err == nil || ctx.Err() != nil || final(err) {
			return window, err
		}
		wait := b.next()
		log.WarnContext(ctx, "schedule: the broker can't be asked for how long it remembers keys", "error", err, "again in", wait)
		sleep(ctx, wait)
	}
}

// runAll runs each plan, until ctx ends or one of them can't go on.
func runAll(ctx context.Context, p queue.Publisher, plans []timetable, window time.Duration, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(plans))
	var wg sync.WaitGroup
	for i := range plans {
		wg.Go(func() {
			defer cancel()
			r := runner{timetable: plans[i], publisher: p, window: window, log: log.With("plan", plans[i].Name)}
			errs[i] = r.run(ctx)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// runner is one plan under way.
type runner struct {
	timetable
	publisher queue.Publisher
	window    time.Duration
	log       *slog.Logger
}

// run fires one planned time after the other. It returns nil when ctx ends.
func (r *runner) run(ctx context.Context) error {
	now := time.Now()
	planned := r.next(now)
	if r.Missed == Latest {
		if last := r.last(now.Add(-r.margin()), now); !last.IsZero() {
			planned = last
		}
	}
	for !planned.IsZero() {
		if !sleepUntil(ctx, planned) {
			return nil
		}
		if err := r.fire(ctx, planned); err != nil {
			return err
		}
		planned = r.after(ctx, planned, time.Now())
	}
	r.log.ErrorContext(ctx, "schedule: the plan has no more times")
	<-ctx.Done() // the other plans go on
	return nil
}

// after returns the planned time to fire after planned. When several have passed meanwhile, what is missed is said, and Plan.Missed decides.
func (r *runner) after(ctx context.Context, planned, now time.Time) time.Time {
	next := r.next(planned)
	second := r.next(next)
	if next.IsZero() || second.IsZero() || second.After(now) {
		return next
	}
	resume := r.next(now)
	if last := r.last(now.Add(-r.margin()), now); r.Missed == Latest && last.After(planned) {
		resume = last
	}
	r.log.ErrorContext(ctx, "schedule: firings are left out, nobody could publish them in time", "first", next, "next", resume)
	return resume
}

// margin is how late a firing may be published: well within the window, for that begins when the first node publishes.
func (r *runner) margin() time.Duration { return r.window / 10 * 9 }

// sleepUntil reports whether then has come; if not, ctx has ended.
func sleepUntil(ctx context.Context, then time.Time) bool {
	for {
		left := time.Until(then.Round(0))
		if left <= 0 {
			return ctx.Err() == nil
		}
		if !sleep(ctx, min(left, nap)) {
			return false
		}
	}
}

// sleep reports whether d has passed; if not, ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
