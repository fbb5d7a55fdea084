package schedule

import (
	"context"
	"time"
)

// nap is the longest sleep between two looks at the clock. Timers ignore a clock that is set, and
// some ignore that a machine was suspended.
const nap = time.Minute

// clock returns the time on the clock on the wall, which may be set at any time.
type clock func() time.Time

// wallClock is the clock of the machine.
func wallClock() time.Time { return time.Now().Round(0) }

// watch looks at the clock now and then, and finds where it was set back.
type watch struct {
	now    clock
	looked time.Time // time of the last look, by the monotonic clock
	before time.Time // time of the look before that, by the clock as it is set now
}

// look returns the time on the clock. However the clock was set since the last look, the planned
// times after w.before are those that no look has covered.
func (w *watch) look() (now time.Time) {
	looked := time.Now()
	now = w.now()
	if w.before = now; !w.looked.IsZero() {
		w.before = now.Add(-looked.Sub(w.looked))
	}
	w.looked = looked
	return now
}

// await sleeps until planned, and returns it. When the clock is set back meanwhile, it returns the
// first planned time that then comes again, except the one that was fired last. It reports false
// when ctx has ended.
func (r *runner) await(ctx context.Context, planned time.Time) (time.Time, bool) {
	for {
		now := r.look()
		if again := r.notFired(r.next(r.before)); !again.IsZero() && again.Before(planned) && planned.After(now) {
			r.log.WarnContext(ctx, "schedule: the clock was set back", "planned", planned, "next", again)
			planned = again
		}
		left := planned.Sub(now)
		if left <= 0 {
			return planned, ctx.Err() == nil
		}
		if !sleep(ctx, min(left, nap)) {
			return planned, false
		}
	}
}

// notFired returns planned, or the next time if planned was fired last: a clock that is set back by
// an instant repeats nothing.
func (r *runner) notFired(planned time.Time) time.Time {
	if !planned.IsZero() && planned.Equal(r.latest) {
		return r.next(planned)
	}
	return planned
}

// sleep reports whether d has passed. If not, ctx has ended.
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
