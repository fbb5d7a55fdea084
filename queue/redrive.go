package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"time"
)

// maxWalk is the longest time for which a re-drive continues with one walk. The broker may hold the
// letters that the walk has passed over, and limits the time for that: half an hour on RabbitMQ by
// default.
const maxWalk = 5 * time.Minute

// maxSkew is the tolerated clock skew of the program that dead-lettered a message.
const maxSkew = time.Minute

// redrive is one call of [Letters.Redrive].
type redrive struct {
	name   string // in the history of every message that this call gives back
	filter LetterFilter
	opts   RedriveOptions
	begun  time.Time

	n     int
	last  time.Time  // the time at which the last letter was given back
	walk  LetterWalk // the present walk
	since time.Time  // the time at which walk began
	again bool       // reports whether another walk must follow, because this one took too long
	taken int        // letters of the present walk that stay, because their key is taken
	first string     // the ID of the first of them
}

func newRedrive(filter LetterFilter, opts RedriveOptions) *redrive {
	return &redrive{name: rand.Text(), filter: filter, opts: opts, begun: time.Now()}
}

// fits reports whether l must be given back. A letter is left if this call gave it back before, and
// it died again. It is also left if it died since the call began; otherwise the call would never
// end where letters come faster than the rate. A time of death in the future proves nothing.
func (r *redrive) fits(l *Letter) bool {
	since := l.DeadAt.After(r.begun.Add(maxSkew)) && l.DeadAt.Before(time.Now().Add(maxSkew))
	return !since && !l.redrivenBy(r.name) && r.filter.fits(l)
}

// giveBack waits for the rate and gives l back. It reports whether the walk continues.
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
	if errors.Is(err, ErrKeyTaken) {
		r.leave(l)
		err = nil
	}
	return r.opts.Limit == 0 || r.n < r.opts.Limit, err
}

// leave counts a letter whose key is taken.
func (r *redrive) leave(l *Letter) {
	if r.taken == 0 {
		r.first = l.ID
	}
	r.taken++
}

// left returns an error about the letters that stay because their key is taken.
func (r *redrive) left() error {
	if r.taken == 0 {
		return nil
	}
	return fmt.Errorf("%d letters stay, the first one is %q: %w", r.taken, r.first, ErrKeyTaken)
}

// pace waits until the rate allows the next letter.
func (r *redrive) pace(ctx context.Context, now time.Time) error {
	if r.opts.PerSecond == 0 || r.last.IsZero() {
		return ctx.Err()
	}
	// bounded, because the result must fit a time.Duration
	gap := min(float64(time.Second)/r.opts.PerSecond, math.MaxInt64/2)
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
