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

// tally knows which jobs ran, by the number in their bodies, so that none is lost, run twice or made up on either side. Its methods are safe
// for concurrent use.
type tally struct {
	seen   []atomic.Bool
	left   atomic.Int64
	extra  atomic.Int64 // run twice, or not ours
	allRan chan struct{}
}

func newTally(jobs int) *tally {
	t := &tally{seen: make([]atomic.Bool, jobs), allRan: make(chan struct{})}
	t.left.Store(int64(jobs))
	return t
}

// bodies returns a body for each job, size bytes long, smallest at least.
func (t *tally) bodies(size int) [][]byte {
	size = max(size, smallest)
	all := make([][]byte, len(t.seen))
	for i := range all {
		all[i] = make([]byte, size)
		binary.BigEndian.PutUint64(all[i], uint64(i))
	}
	return all
}

// messages returns a message for each job.
func (t *tally) messages(size int) []queue.Message {
	msgs := make([]queue.Message, len(t.seen))
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

// ran notes that the job with this body has run.
func (t *tally) ran(body []byte) {
	if len(body) < smallest {
		t.extra.Add(1)
		return
	}
	t.ranNumber(binary.BigEndian.Uint64(body))
}

func (t *tally) ranNumber(i uint64) {
	if i >= uint64(len(t.seen)) || t.seen[i].Swap(true) {
		t.extra.Add(1)
		return
	}
	if t.left.Add(-1) == 0 {
		close(t.allRan)
	}
}

// wait waits until every job has run.
func (t *tally) wait(ctx context.Context) error {
	select {
	case <-t.allRan:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d of %d jobs have not run: %w", t.left.Load(), len(t.seen), context.Cause(ctx))
	}
}

// check fails unless every job ran exactly once.
func (t *tally) check() error {
	if lost, extra := t.left.Load(), t.extra.Load(); lost != 0 || extra != 0 {
		return fmt.Errorf("of %d jobs %d were lost, and %d runs were too many", len(t.seen), lost, extra)
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

// within bounds what a trial may take: a side that has gone silent is an error, and not a benchmark that never ends.
func within(ctx context.Context) (context.Context, context.CancelFunc) {
	const most = 5 * time.Minute
	return context.WithTimeoutCause(ctx, most, fmt.Errorf("it took more than %v", most))
}
