package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/bench/result"
	"github.com/gentask/gentask/queue"
)

// feed publishes the jobs of a trial while they are consumed, so that a queue never holds more than
// backlog of them.
type feed struct {
	trial *trial
	size  int // of a body: smallest and a time at least
	batch int // published at a time, in one call
	rate  int // the most that are published in a second; zero for no limit
	slots chan struct{}
	began time.Time
}

// stamped is the shortest body of a feed: the number of its job, and when it was published.
const stamped = smallest + 8

func newFeed(t *trial, size, backlog, batch, rate int) *feed {
	return &feed{
		trial: t, size: max(size, stamped), batch: min(batch, backlog), rate: rate,
		slots: make(chan struct{}, backlog), began: time.Now(),
	}
}

// ran notes that a job has run to its end. A body that is not as long as it was is no job of ours.
func (f *feed) ran(body []byte) {
	switch {
	case len(body) != f.size:
		f.trial.tally.ran(nil)
	case f.trial.tally.ran(body):
		<-f.slots
	}
}

// age is how long ago the job with this body was published.
func (f *feed) age(body []byte) time.Duration {
	return time.Since(f.began) - time.Duration(binary.BigEndian.Uint64(body[smallest:]))
}

// through publishes to q and consumes from it until every job has run to its end.
func (f *feed) through(ctx context.Context, q interface {
	queue.Source
	queue.Publisher
}, cfg gentask.Config, b gentask.Behavior,
) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	published := make(chan error, 1)
	go func() {
		err := f.publish(ctx, q)
		if err != nil {
			cancel(err)
		}
		published <- err
	}()
	watching, done := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		cancel(f.stuck(watching))
	}()
	err := consumeAll(ctx, f.trial, q, cfg, b)
	done()
	<-watched
	return errors.Join(err, <-published)
}

// stuck returns an error when no job has ended for a while: then some are lost, and there is no use
// in waiting for them. It returns nil when ctx ends.
func (f *feed) stuck(ctx context.Context) error {
	const patience = 2 * time.Minute
	for before := int64(-1); ; {
		now := f.trial.tally.done()
		if now == before {
			return fmt.Errorf("no job has ended for %v", patience)
		}
		before = now
		if err := sleep(ctx, patience); err != nil {
			return nil //nolint:nilerr // it was not stuck
		}
	}
}

func (f *feed) publish(ctx context.Context, to queue.Publisher) error {
	for from := 0; from < f.trial.jobs; from += f.batch {
		if f.rate > 0 {
			due := f.began.Add(time.Duration(from) * time.Second / time.Duration(f.rate))
			if err := sleep(ctx, time.Until(due)); err != nil {
				return err
			}
		}
		msgs, err := f.next(ctx, from)
		if err != nil {
			return err
		}
		if err := to.Publish(ctx, msgs...); err != nil {
			return fmt.Errorf("publishing: %w", err)
		}
	}
	return nil
}

// next makes the batch that begins with job from, as soon as there is room for it.
func (f *feed) next(ctx context.Context, from int) ([]queue.Message, error) {
	msgs := make([]queue.Message, 0, f.batch)
	for i := from; i < min(from+f.batch, f.trial.jobs); i++ {
		select {
		case f.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		msgs = append(msgs, queue.Message{ID: strconv.Itoa(i), Body: f.body(i)})
	}
	return msgs, nil
}

func (f *feed) body(i int) []byte {
	body := make([]byte, f.size)
	binary.BigEndian.PutUint64(body, uint64(i))
	binary.BigEndian.PutUint64(body[smallest:], uint64(time.Since(f.began)))
	return body
}

// books are the lines that say how many of the published jobs were lost, which must be none, and
// how many runs were too many.
func (t *tally) books(suite, name string) []result.Line {
	none := 0.0
	lost, extra, jobs := float64(t.left.Load()), float64(t.extra.Load()), float64(t.jobs)
	line := result.Line{Suite: suite, Case: name, Peer: "published", Theirs: jobs, OK: true}
	l, e := line, line
	l.Unit, l.Ours, l.Ratio, l.Target, l.OK = result.Lost, lost, lost/jobs, &none, lost == 0
	e.Unit, e.Ours, e.Ratio = result.Again, extra, extra/jobs
	l.RatioMin, l.RatioMax, e.RatioMin, e.RatioMax = l.Ratio, l.Ratio, e.Ratio, e.Ratio
	return []result.Line{l, e}
}
