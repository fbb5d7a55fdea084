package gentask

import (
	"context"
	"sync"

	"github.com/gentask/gentask/internal/memo"
)

// Dedup acknowledges a job that was done before without running it again. That is needed when its
// acknowledgement was lost with its session or its process.
//
// A job is done when its run has returned without an error, and the decision was [Ack]. It is
// remembered before the acknowledgement is sent. Jobs are not identified by the ID alone: two
// messages with the same ID are two jobs. They differ in the time of their publishing, in their
// bodies, or in [queue.Delivery.Sequence].
//
// Only deliveries that the broker marks as redelivered are looked up. A message that comes again
// because it was requeued, snoozed or released is not, because a failed job is not done. The
// [EventDone] of a duplicate has the disposition [queue.Ack], no Outcome, and the reason
// [ErrDuplicate]. HandleResult is not called for it.
//
// Dedup makes the window smaller, but does not close it. A process that dies between the end of a
// run and [DedupStore.Remember] runs the job again.
type Dedup struct {
	// Remember is how many jobs the consumer remembers in memory: the last ones that were done.
	// They are forgotten with its process. Zero means none, or 1000 with a Store; -1 means none.
	Remember int

	// Store remembers for longer, and for other nodes. Nil means no store.
	Store DedupStore
}

// DedupStore remembers which jobs are done: a table or a cache. Its entries must live longer than
// messages do.
//
// Its methods are called concurrently, in tasks and in goroutines of the consumer, and never in its
// actor. A call that takes longer than 3 s counts as failed. A call that fails, panics or calls
// runtime.Goexit causes an [EventDedupFailed] and an error in the log, and nothing else. A job that
// can't be looked up is run, and a job that can't be remembered is acknowledged.
type DedupStore interface {
	// Done reports whether the job is done. The key is the same for every delivery of a message, at
	// every node, and at most 160 bytes long. It consists of these parts:
	//
	//   - the message's ID; of one beyond 64 bytes, its beginning and a hash
	//   - "@" and the time of publishing in UTC, as RFC 3339 with nanoseconds; empty if unknown
	//   - "+" and [queue.Delivery.Sequence], if the broker has one
	//   - "#" and 16 hexadecimal digits of the SHA-256 of the body
	Done(ctx context.Context, key string) (bool, error)
	// Remember stores that the job with the key is done. The job is acknowledged when Remember has
	// returned.
	Remember(ctx context.Context, key string) error
}

// defaultRemember is how many jobs are remembered in memory beside a Store. It finds a job that is
// redelivered while the store is being updated.
const defaultRemember = 1000

func (r Dedup) check() error {
	return unfitIf(r.Remember < never, "Remember", r.Remember, "0 for none, or with a Store 1000, -1 for none, or more")
}

// dedup is the consumer's memory of finished jobs. It outlives its ledgers. Nil means off.
type dedup struct {
	done   *memo.Memo[identity, struct{}]
	failed *memo.Memo[identity, bool] // given back here since: a store that has them is wrong
	store  DedupStore
	wg     sync.WaitGroup // calls of store.Remember
}

func newDedup(r Dedup) *dedup {
	remember := max(r.Remember, 0)
	switch {
	case r.Store == nil && remember == 0:
		return nil
	case r.Store != nil && r.Remember == 0:
		remember = defaultRemember
	}
	return &dedup{
		done: memo.New[identity, struct{}](remember), failed: memo.New[identity, bool](defaultRemember),
		store: r.Store,
	}
}

// known reports whether the job is done, as far as memory goes. ask is true if the store must be
// asked.
func (d *dedup) known(id identity) (done, ask bool) {
	if failed, _ := d.failed.Get(id); failed {
		return false, false
	}
	_, done = d.done.Get(id)
	return done, !done && d.store != nil
}

// noteFailed remembers that the message was given back here: its next delivery must be run.
func (d *dedup) noteFailed(id identity) { d.failed.Put(id, true) }

// noteDone remembers that the job is done, and reports whether the store must be updated.
func (d *dedup) noteDone(id identity) (tell bool) {
	d.done.Put(id, struct{}{})
	if failed, _ := d.failed.Get(id); failed {
		d.failed.Put(id, false)
	}
	return d.store != nil
}

// wait returns when all updates of the store have returned.
func (d *dedup) wait() {
	if d != nil {
		d.wg.Wait()
	}
}
