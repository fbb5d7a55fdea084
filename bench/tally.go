package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/queue"
)

// smallest is the shortest body: the number of its job.
const smallest = 8

// tally records which jobs ran, by the number in their bodies, to prove that none is lost, run
// twice or made up on either side. Its methods are safe for concurrent use.
type tally struct {
	jobs   int
	seen   []atomic.Uint64 // a bit for each
	left   atomic.Int64
	extra  atomic.Int64 // run twice, or not ours
	allRan chan struct{}
}

func newTally(jobs int) *tally {
	t := &tally{jobs: jobs, seen: make([]atomic.Uint64, (jobs+63)/64), allRan: make(chan struct{})}
	t.left.Store(int64(jobs))
	return t
}

// bodies returns a body for each job, size bytes long, smallest at least.
func (t *tally) bodies(size int) [][]byte {
	size = max(size, smallest)
	all := make([][]byte, t.jobs)
	for i := range all {
		all[i] = make([]byte, size)
		binary.BigEndian.PutUint64(all[i], uint64(i))
	}
	return all
}

// messages returns a message for each job.
func (t *tally) messages(size int) []queue.Message {
	msgs := make([]queue.Message, t.jobs)
	for i, body := range t.bodies(size) {
		msgs[i] = queue.Message{ID: strconv.Itoa(i), Body: body}
	}
	return msgs
}

// batches calls f with n items after the other.
func batches[T any](items []T, n int, f func([]T) error) error {
	for batch := range slices.Chunk(items, n) {
		if err := f(batch); err != nil {
			return err
		}
	}
	return nil
}

// ran records that the job with this body has run, and reports whether it was the first time.
func (t *tally) ran(body []byte) bool {
	if len(body) < smallest {
		t.extra.Add(1)
		return false
	}
	return t.ranNumber(number(body))
}

// number is the number of the job with this body.
func number(body []byte) uint64 { return binary.BigEndian.Uint64(body) }

func (t *tally) ranNumber(i uint64) bool {
	bit := uint64(1) << (i % 64)
	if i >= uint64(t.jobs) || t.seen[i/64].Or(bit)&bit != 0 {
		t.extra.Add(1)
		return false
	}
	if t.left.Add(-1) == 0 {
		close(t.allRan)
	}
	return true
}

// done is how many jobs have run.
func (t *tally) done() int64 { return int64(t.jobs) - t.left.Load() }

// wait waits until every job has run.
func (t *tally) wait(ctx context.Context) error {
	select {
	case <-t.allRan:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d of %d jobs have not run: %w", t.left.Load(), t.jobs, context.Cause(ctx))
	}
}

// check fails unless every job ran exactly once.
func (t *tally) check() error {
	if lost, extra := t.left.Load(), t.extra.Load(); lost != 0 || extra != 0 {
		return fmt.Errorf("of %d jobs %d were lost, and %d runs were too many", t.jobs, lost, extra)
	}
	return nil
}

// settles waits a moment until rest has nothing to tell of what is left at a broker.
func settles(rest func() (string, error)) error {
	const patience = 20 * time.Second
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		left, err := rest()
		switch {
		case err != nil:
			return err
		case left == "":
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("not everything is acknowledged after %v: %s", patience, left)
		}
	}
}

// within bounds what a trial may take: a side that has gone silent is an error, and not a benchmark
// that never ends.
func within(ctx context.Context) (context.Context, context.CancelFunc) {
	const most = 5 * time.Minute
	return context.WithTimeoutCause(ctx, most, fmt.Errorf("it took more than %v", most))
}
