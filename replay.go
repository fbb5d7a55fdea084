package gentask

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/task"
)

// Replay acknowledges a job that was done before, and whose acknowledgement was lost with its session or its process, without running it again.
//
// A job is done when its run has returned without an error, and the decision was Ack. It is remembered by the ID of its message, before the
// acknowledgement is sent. Only a delivery that the broker calls redelivered is looked up, so a message that is published anew under an old ID
// runs. Its EventEnd has the settlement queue.Ack, no Outcome, and the reason ErrReplayed; HandleResult is not asked.
//
// It makes the window smaller, and doesn't close it: a process that dies between the end of a run and Store.Remember runs the job again.
type Replay struct {
	// Remember is how many jobs the consumer remembers by itself: the last ones that were done. It forgets them with its process. Zero means none,
	// and with a Store 1000; -1 none.
	Remember int

	// Store remembers for longer, and for other nodes. It may be nil.
	Store ReplayStore
}

// ReplayStore remembers which jobs are done: a table or a cache, with an expiry of more than messages live. Its methods are called
// concurrently, in tasks and in goroutines of the consumer's, never in the actor; each call has 3 s, and counts as failed then. If one fails,
// panics or calls runtime.Goexit, that is an EventReplayFailed and an error in the log, and nothing else: what can't be looked up runs, and
// what can't be remembered is acknowledged.
type ReplayStore interface {
	// Done says whether the job is done.
	Done(ctx context.Context, id string) (bool, error)
	// Remember notes that the job is done. It is acknowledged when Remember has returned.
	Remember(ctx context.Context, id string) error
}

// storeTime is how long a call of a ReplayStore may take.
const storeTime = 3 * time.Second

// defaultRemember is what is remembered besides a Store, so that a job that is redelivered while the store is being told is found.
const defaultRemember = 1000

func (r Replay) check() error {
	if r.Remember < never {
		return unfit("Remember", r.Remember, "0 for none, or with a Store 1000, -1 for none, or more")
	}
	return nil
}

// replay is what a consumer knows of finished jobs. It outlives its ledgers. A nil one is off.
type replay struct {
	done  *recent[struct{}]
	store ReplayStore
	wg    sync.WaitGroup // calls of store.Remember
}

func newReplay(r Replay) *replay {
	remember := max(r.Remember, 0)
	switch {
	case r.Store == nil && remember == 0:
		return nil
	case r.Store != nil && r.Remember == 0:
		remember = defaultRemember
	}
	return &replay{done: newRecent[struct{}](remember), store: r.Store}
}

// unless makes a run of f that does nothing but acknowledge if the job is done.
func (r *replay) unless(e *entry, f func(context.Context) (any, error)) func(context.Context) (any, error) {
	if r == nil || !e.delivery.Redelivered {
		return f
	}
	return func(ctx context.Context) (any, error) {
		if !r.knows(ctx, e) {
			return f(ctx)
		}
		e.replay()
		_ = e.settle(Ack(), ErrReplayed) // or lost: then it comes again
		return nil, ErrReplayed
	}
}

// knows is asked in the job's task.
func (r *replay) knows(ctx context.Context, e *entry) bool {
	id := e.delivery.ID
	if _, known := r.done.get(id); known {
		return true
	}
	if r.store == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	done, err := contain(ctx, func(ctx context.Context) (bool, error) { return r.store.Done(ctx, id) })
	if err != nil {
		e.storeFailed("Done", err)
		return false
	}
	return done
}

// note remembers that the job is done, if d says so after a run that was. It is called with e.mu held, when d is taken, or too late.
func (r *replay) note(e *entry, d Decision) {
	if r == nil || d.kind != decideAck {
		return
	}
	if e.learn(); e.status != task.OK {
		return
	}
	r.done.put(e.delivery.ID, struct{}{})
	switch {
	case r.store == nil:
	case e.lost:
		r.save(e, func() {})
	default:
		e.unsaved = true
	}
}

// save tells the store, and then calls saved.
func (r *replay) save(e *entry, saved func()) {
	r.wg.Go(func() {
		defer saved()
		ctx, cancel := context.WithTimeout(context.Background(), storeTime)
		defer cancel()
		_, err := contain(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, r.store.Remember(ctx, e.delivery.ID) })
		if err != nil {
			e.storeFailed("Remember", err)
		}
	})
}

// wait returns when the store has been told everything.
func (r *replay) wait() {
	if r != nil {
		r.wg.Wait()
	}
}

// saves has the store told before the acknowledgement is sent, for a job that is done. The ledger goes on when it has been: retry.
func (l *ledger) saves(e *entry) bool {
	e.mu.Lock()
	unsaved := e.unsaved
	e.unsaved = false
	e.mu.Unlock()
	if unsaved {
		l.life.replay.save(e, func() { e.book.tell(&retry{entry: e}) })
	}
	return unsaved
}

// replay notes that the job is not run, because it is done.
func (e *entry) replay() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.replayed, e.excused = true, true
}

func (e *entry) wasReplayed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.replayed
}

// storeFailed is loud, and harms nothing.
func (e *entry) storeFailed(what string, err error) {
	l := e.book.life
	if errors.Is(err, ErrSessionLost) || errors.Is(err, ErrDrained) || errors.Is(err, ErrCancelled) {
		return // the task was stopped while it asked
	}
	l.cfg.Logger.Error("gentask: replay store failed", "consumer", l.cfg.Name, "job", e.delivery.ID, "call", what,
		"reason", err, "stack", actor.Stack(err))
	l.emit(Event{Kind: EventReplayFailed, ID: e.delivery.ID, Attempt: e.attempt, Redelivered: e.delivery.Redelivered, Reason: err})
}
