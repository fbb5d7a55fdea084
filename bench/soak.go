package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/bench/result"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

const (
	// leastSoak is the shortest soak, with a last minute after the second. In a short soak a
	// "minute" is a part of it.
	leastSoak = 3 * time.Second

	// soakRate is how many jobs a second a soak has: a tenth of what a processor can do, so that it
	// shows what piles up, and not how fast the machine is.
	soakRate = 2_000

	// soakCost is how much more processor time a job may take in the last minute than in the
	// second. It is more than for memory: two processors that are shared do not run equally fast
	// for an hour.
	soakCost = 1.2
)

// soak is a long life at a moderate pace with everything that goes wrong in one: no job costs more,
// and no memory is kept, at its end.
func soak(o options) []measurement {
	s := soaked{lasts: o.lasts, rate: o.rate}
	if s.rate == 0 {
		s.rate = soakRate
	}
	if o.quick {
		s.lasts = leastSoak
	}
	s.minute = min(time.Minute, s.lasts/6)
	return []measurement{s}
}

// soaked is a soak of the memory queue.
type soaked struct {
	lasts  time.Duration
	minute time.Duration // or less, if it is a short one
	rate   int
}

// names implements measurement.
func (s soaked) names() (suite, name, peer string) {
	return "soak", fmt.Sprintf("memory queue/%d jobs/s for %v", s.rate, s.lasts), "its second minute"
}

// measure implements measurement.
func (s soaked) measure(ctx context.Context, r *runner) ([]result.Line, error) {
	suite, name, _ := s.names()
	fmt.Fprintf(r.progress, "%s %s\n", suite, name)
	ctx, cancel := context.WithTimeoutCause(ctx, 2*s.lasts+time.Minute, errors.New("it took more than twice as long as it was to"))
	defer cancel()
	check := newTrial(s.rate, true) // with a journal
	if err := s.run(ctx, check, newSoakWorker(check, s.rate)); err != nil {
		return nil, fmt.Errorf("with a journal: %w", err)
	}
	t := newTrial(int(float64(s.rate)*s.lasts.Seconds()), false)
	w := newSoakWorker(t, s.rate)
	p := &process{done: t.tally.done, at: time.Now()}
	c := &cost{worker: w, before: read(), progress: r.progress}
	profiles := r.heaps(suite, name)
	seconds := record(s.minute/60, processUnits(), profiles.from(t.tally, p.look))
	minutes := record(s.minute, costUnits(), c.look)
	err := s.run(ctx, t, w)
	minutes.end()
	seconds.end()
	err = errors.Join(err, profiles.end())
	lines := t.tally.books(suite, name)
	if err != nil {
		return lines, err
	}
	compared, err := s.lines(seconds, minutes)
	return append(lines, compared...), err
}

// run publishes and consumes everything, and purges the dead letters each minute, as an operator
// would. At the end it checks that every message is acknowledged or dead-lettered.
func (s soaked) run(ctx context.Context, t *trial, w *soakWorker) error {
	q := newMemory(t)
	defer q.Close()
	purges, stop := context.WithCancel(ctx)
	purged := make(chan error, 1)
	go func() { purged <- s.purge(purges, q) }()
	err := w.feed.through(ctx, q, gentask.Config{
		Concurrency: 200, Timeout: soakTimeout, Grace: soakTimeout,
		Retry: gentask.Retry{Backoff: gentask.Backoff{Base: soakTimeout / 10, Max: soakTimeout}},
	}, gentask.Handle(w.run))
	stop()
	if err := errors.Join(err, <-purged, q.Check()); err != nil {
		return err
	}
	if n := q.Stats(); n.Acked+n.DeadLettered != n.Published || n.DeadLettered == 0 || n.Ready+n.Delayed+n.Held+n.Sessions != 0 {
		return fmt.Errorf("not everything is acknowledged, or dead-lettered that was to be: %+v", n)
	}
	return nil
}

// purge purges each minute until ctx ends.
func (s soaked) purge(ctx context.Context, q *memory.Queue) error {
	for sleep(ctx, s.minute) == nil {
		if _, err := q.Letters().Purge(context.WithoutCancel(ctx), queue.LetterFilter{}); err != nil {
			return err
		}
	}
	return nil
}

// lines compare the last minute with the second. A figure that is sampled each second has its
// median of the minute.
func (s soaked) lines(seconds, minutes *recorder) ([]result.Line, error) {
	suite, name, peer := s.names()
	figures := map[result.Unit][]float64{}
	for _, u := range minutes.units {
		figures[u] = minutes.series(u)
	}
	for _, u := range seconds.units {
		for minute := range slices.Chunk(seconds.series(u), 60) {
			figures[u] = append(figures[u], median(minute))
		}
	}
	var lines []result.Line
	for _, u := range append(slices.Clone(minutes.units), seconds.units...) {
		n := min(len(minutes.series(result.Processor)), int(s.lasts/s.minute)) // the last jobs end later, and by themselves
		l := result.Line{Suite: suite, Case: name, Peer: peer, Unit: u}
		l, err := later(l, s.minute, figures[u][:min(n, len(figures[u]))], span{1, 2}, span{n - 1, n})
		if err != nil {
			return nil, err
		}
		lines = append(lines, judged(l))
	}
	return lines, nil
}

// judged is l with its target. The target for processor time allows for a machine that is shared,
// and that for the size of the process for a page or two of growth.
func judged(l result.Line) result.Line {
	switch l.Unit {
	case result.Processor:
		target := soakCost
		l.Target, l.OK = &target, l.Ratio <= target
	case result.Bytes, result.Allocs:
		return allowed(l, 0)
	case result.Live:
		return allowed(l, 1)
	case result.Mapped, result.Resident:
		return allowed(l, 4)
	case result.Goroutines:
		return allowed(l, 10)
	case result.Rate, result.Time, result.Held, result.Wall, result.Median, result.Slowest, result.Lost, result.Again,
		result.HeldEach, result.GoroutinesEach, result.Added, result.Replace, result.Longest: // for the record
	}
	return l
}

// costUnits are what cost looks at, in this order.
func costUnits() []result.Unit {
	return []result.Unit{result.Processor, result.Bytes, result.Allocs, result.Median, result.Slowest}
}

// cost measures the cost of the jobs since the last call of look, with the publisher's share and
// the mishaps.
type cost struct {
	worker   *soakWorker
	before   reading
	done     int64
	progress io.Writer
}

func (c *cost) look() []float64 {
	now, done := read(), c.worker.feed.trial.tally.done()
	s := sample{
		jobs: int(done - c.done), wall: now.wall.Sub(c.before.wall), cpu: now.cpu - c.before.cpu,
		bytes: now.bytes - c.before.bytes, allocs: now.allocs - c.before.allocs,
	}
	c.before, c.done = now, done
	middle, p99 := c.worker.delays.take()
	fmt.Fprintf(c.progress, "%s %d jobs, %.2f %s, %.0f %s, %.1f %s, %d goroutines, started after %.0f us, p99 %.0f us\n",
		now.wall.Format(time.TimeOnly), done, s.in(result.Processor), result.Processor, s.in(result.Bytes), result.Bytes,
		s.in(result.Allocs), result.Allocs, runtime.NumGoroutine(), middle, p99)
	return []float64{s.in(result.Processor), s.in(result.Bytes), s.in(result.Allocs), middle, p99}
}
