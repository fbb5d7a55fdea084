package gentask

import (
	"context"
	"sync"

	"github.com/gentask/gentask/internal/memo"
)

// Dedup acknowledges a job that was done before, and whose acknowledgement was lost with its session or its process, without running it again.
//
// A job is done when its run has returned without an error, and the decision was Ack. That is remembered before the acknowledgement is sent, and not
// by the ID alone: two messages with the same ID are two jobs, told apart by the time when they were published, by their bodies, and by
// queue.Delivery.Sequence. Only a delivery that the broker calls redelivered is looked up, and none that comes again because it was requeued,
// snoozed or released: a job that has failed is not done. The EventDone of one that is done has the settlement queue.Ack, no Outcome, and the
// reason ErrDuplicate; HandleResult is not asked.
//
// It makes the window smaller, and doesn't close it: a process that dies between the end of a run and Store.Remember runs the job again.
type Dedup struct {
	// Remember is how many jobs the consumer remembers by itself: the last ones that were done. It forgets them with its process. Zero means none,
	// and with a Store 1000; -1 none.
	Remember int

	// Store remembers for longer, and for other nodes. It may be nil.
	Store DedupStore
}

// DedupStore remembers which jobs are done: a table or a cache, with an expiry of more than messages live. Its methods are called
// concurrently, in tasks and in goroutines of the consumer's, never in the actor; each call has 3 s, and counts as failed then. If one fails,
// panics or calls runtime.Goexit, that is an EventDedupFailed and an error in the log, and nothing else: what can't be looked up runs, and
// what can't be remembered is acknowledged.
type DedupStore interface {
	// Done reports whether the job is done. The key is the same for every delivery of a message, at every node, and at most 160 bytes long: the
	// message's ID (beyond 64 bytes its beginning and a hash), "@", the time when it was published in RFC 3339 with nanoseconds and in UTC,
	// nothing if that is unknown, "+" and queue.Delivery.Sequence, if the broker has one, "#", and 16 hexadecimal digits of the SHA-256 of its body.
	Done(ctx context.Context, key string) (bool, error)
	// Remember notes that the job with the key is done. It is acknowledged when Remember has returned.
	Remember(ctx context.Context, key string) error
}

// defaultRemember is what is remembered besides a Store, so that a job that is redelivered while the store is being told is found.
const defaultRemember = 1000

func (r Dedup) check() error {
	return unfitIf(r.Remember < never, "Remember", r.Remember, "0 for none, or with a Store 1000, -1 for none, or more")
}

// dedup is what a consumer knows of finished jobs. It outlives its ledgers. A nil one is off.
type dedup struct {
	done   *memo.Memo[identity, struct{}]
	failed *memo.Memo[identity, bool] // given back here since: whoever remembers it means another
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
	return &dedup{done: memo.New[identity, struct{}](remember), failed: memo.New[identity, bool](defaultRemember), store: r.Store}
}

// known reports whether the job is done, as far as the consumer remembers by itself. ask is true if the
// store should be asked.
func (d *dedup) known(id identity) (done, ask bool) {
	if failed, _ := d.failed.Get(id); failed {
		return false, false
	}
	_, done = d.done.Get(id)
	return done, !done && d.store != nil
}

// noteFailed remembers that the message was given back here: its next delivery is to be run.
func (d *dedup) noteFailed(id identity) { d.failed.Put(id, true) }

// noteDone remembers that the job is done, and reports whether the store must be told.
func (d *dedup) noteDone(id identity) (tell bool) {
	d.done.Put(id, struct{}{})
	if failed, _ := d.failed.Get(id); failed {
		d.failed.Put(id, false)
	}
	return d.store != nil
}

// wait returns when the store has been told everything.
func (d *dedup) wait() {
	if d != nil {
		d.wg.Wait()
	}
}
