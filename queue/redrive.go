package queue

import (
	"context"
	"crypto/rand"
	"math"
	"time"
)

// maxWalk is for how long a re-drive goes on with one walk. What it has passed over may be held at the broker, which has a limit for that:
// half an hour at RabbitMQ, unless it is set lower.
const maxWalk = 5 * time.Minute

// maxSkew is by how much the clock of whoever dead-lettered a message may be ahead.
const maxSkew = time.Minute

// redrive is one call of Letters.Redrive.
type redrive struct {
	name   string // in the history of every message that it gives back
	filter LetterFilter
	opts   RedriveOptions
	begun  time.Time

	n     int
	last  time.Time  // when a letter was given back last
	walk  LetterWalk // the one under way
	since time.Time  // when that began
	again bool       // another walk has to follow: this one took too long
}

func newRedrive(filter LetterFilter, opts RedriveOptions) *redrive {
	return &redrive{name: rand.Text(), filter: filter, opts: opts, begun: time.Now()}
}

// fits reports whether l is to be given back. What was given back by this very call is not, when it has died again. Nor is what has died since the
// call began, or it would never end where letters come faster than they may be given back; a time that is still to come proves nothing.
func (r *redrive) fits(l *Letter) bool {
	since := l.DeadAt.After(r.begun.Add(maxSkew)) && l.DeadAt.Before(time.Now().Add(maxSkew))
	return !since && !l.redrivenBy(r.name) && r.filter.fits(l)
}

// giveBack gives l back when it is its time. It reports whether the walk goes on.
func (r *redrive) giveBack(ctx context.Context, l *Letter, walk LetterWalk) (more bool, err error) {
	now := time.Now()
	if r.walk != walk {
		r.walk, r.since = walk, now
	}
	if now.Sub(r.since) > maxWalk {
		r.again = true
		return false, nil
	}
	if err := r.pace(ctx, now); err != nil {
		return false, err
	}
	r.last = time.Now()
	done, err := walk.Redrive(ctx, l.again(r.name, r.last))
	if done {
		r.n++
	}
	return r.opts.Limit == 0 || r.n < r.opts.Limit, err
}

// pace waits until the next letter may be given back.
func (r *redrive) pace(ctx context.Context, now time.Time) error {
	if r.opts.PerSecond == 0 || r.last.IsZero() {
		return ctx.Err()
	}
	gap := min(float64(time.Second)/r.opts.PerSecond, math.MaxInt64/2) // a duration has its limits
	next := r.last.Add(time.Duration(gap))
	timer := time.NewTimer(next.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
