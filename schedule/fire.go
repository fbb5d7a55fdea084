package schedule

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/gentask/gentask/queue"
)

// fire publishes one firing. It tries again until the next one is due, or until the firing could
// come twice, and then gives up. It returns an error only if the plan can't go on.
func (r *runner) fire(ctx context.Context, planned time.Time) error {
	end := planned.Add(r.margin())
	if planned.Equal(r.recovered) {
		end = r.now().Add(r.margin())
	}
	if next := r.next(planned); !next.IsZero() && next.Before(end) {
		end = next
	}
	return r.fireUntil(ctx, planned, end)
}

// fireUntil publishes one firing, and tries again until end.
func (r *runner) fireUntil(ctx context.Context, planned, end time.Time) error {
	attempt, cancel := context.WithTimeout(ctx, end.Sub(r.now()))
	defer cancel()
	var b backoff
	for tries := 1; ; tries++ {
		err := r.publish(attempt, planned)
		switch {
		case err == nil:
			r.fired(ctx, planned, tries)
			return nil
		case ctx.Err() != nil:
			return nil
		case final(err):
			return fmt.Errorf("schedule: plan %q: %w", r.Name, err)
		}
		wait := b.next()
		if deadline, _ := attempt.Deadline(); time.Until(deadline) < wait { // by the monotonic clock
			r.log.ErrorContext(ctx, "schedule: firing is given up, the broker did not take it in time",
				"planned", planned, "tries", tries,
				"error", err)
			return nil
		}
		r.log.WarnContext(ctx, "schedule: firing is not published yet",
			"planned", planned, "tries", tries, "error", err, "again in", wait)
		if !sleep(ctx, wait) {
			return nil
		}
	}
}

// publish publishes one firing, and notes that of a stored plan.
func (r *runner) publish(ctx context.Context, planned time.Time) error {
	if r.kept == nil {
		return r.caller.publish(ctx, r.message(planned))
	}
	duplicate, err := r.caller.publishResult(ctx, r.message(planned))
	if err == nil {
		r.kept.fired(planned, duplicate)
	}
	return err
}

// fired reports that the broker has a firing, of this node or of another one.
func (r *runner) fired(ctx context.Context, planned time.Time, tries int) {
	if tries > 1 {
		r.log.WarnContext(ctx, "schedule: firing is published late",
			"planned", planned, "tries", tries, "late", r.now().Sub(planned))
		return
	}
	r.log.DebugContext(ctx, "schedule: fired", "planned", planned)
}

// message returns the message of one firing: the same on every node.
func (r *runner) message(planned time.Time) queue.Message {
	m := r.Message
	m.ID = r.Name + "@" + planned.UTC().Format(time.RFC3339Nano) // a planned time has whole seconds
	m.UniqueKey = "schedule:" + m.ID
	m.Headers = maps.Clone(m.Headers)
	if m.Headers == nil {
		m.Headers = make(map[string]string, 1)
	}
	m.Headers[HeaderPlanned] = planned.Format(time.RFC3339)
	return m
}

// These limit the wait between two tries.
const (
	firstWait = 100 * time.Millisecond
	mostWait  = 10 * time.Second
)

// backoff is an exponential back-off with jitter: each wait is between half of the current one and
// the whole. The zero value begins with the shortest.
type backoff struct{ wait time.Duration }

func (b *backoff) next() time.Duration {
	b.wait = min(max(2*b.wait, firstWait), mostWait)
	return b.wait/2 + rand.N(b.wait/2) //nolint:gosec // no secret
}
