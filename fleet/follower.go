package fleet

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// follower makes the consumers of a node follow what is commanded. One goroutine watches the store,
// and another one carries out what it has seen, all of it at once.
type follower struct {
	store     queue.Store
	consumers []*consumer
	log       *slog.Logger

	dirty chan struct{} // capacity 1: state has changed
	ready chan struct{} // closed when the consumers follow the first state

	mu       sync.Mutex
	state    *state
	followed queue.Revision // the newest record that the consumers follow
	outcomes map[outcomeKey]outcome
	refused  map[string]error // why records are not followed, by key
	heard    time.Time        // the last sign of the watch
	silent   bool             // the log has it that there is none
}

// outcomeKey is a record, and the consumer that it was for.
type outcomeKey struct {
	key      string
	consumer *consumer
}

// outcome is what a consumer has made of a record.
type outcome struct {
	revision queue.Revision
	jobs     int // cancelled
	err      error
}

const (
	// silentAfter is how long a watch may be silent until no command can come.
	silentAfter = 5 * time.Second

	// followTime bounds how long a consumer may take to follow. One that takes longer follows when
	// it can.
	followTime = 10 * time.Second

	// watchAgain is the wait before a watch that was refused is begun again, doubled up to the
	// most.
	watchAgain     = time.Second
	watchAgainMost = 30 * time.Second
)

func newFollower(store queue.Store, consumers []*consumer, log *slog.Logger) *follower {
	return &follower{
		store: store, consumers: consumers, log: log, state: newState(), heard: time.Now(),
		dirty: make(chan struct{}, 1), ready: make(chan struct{}),
		outcomes: map[outcomeKey]outcome{}, refused: map[string]error{},
	}
}

// watch feeds the state until ctx ends. A watch ends by itself only if it is refused.
func (f *follower) watch(ctx context.Context) {
	for wait := watchAgain; ; wait = min(2*wait, watchAgainMost) {
		err := f.watchOnce(ctx)
		if ctx.Err() != nil || guard.Is(err, queue.ErrClosed) {
			return
		}
		f.log.Error("fleet: commands can't be watched, will be tried again", "error", err, "after", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

func (f *follower) watchOnce(ctx context.Context) error {
	f.mu.Lock()
	f.state.begin()
	f.mu.Unlock()
	for change, err := range f.store.Watch(ctx, prefix) {
		if err != nil {
			return err
		}
		f.take(change)
	}
	return ctx.Err()
}

func (f *follower) take(c queue.Change) {
	f.mu.Lock()
	changed := f.state.feed(c)
	back := f.silent
	f.heard, f.silent = time.Now(), false
	f.mu.Unlock()
	if back {
		f.log.Info("fleet: commands can come again")
	}
	if c.Kind == queue.ChangeReset {
		f.log.Warn("fleet: commands are read again, because the store was made again or changes were missed")
	}
	if !changed {
		return
	}
	select {
	case f.dirty <- struct{}{}:
	default: // all of it will be carried out
	}
}

// run carries out what is commanded until ctx ends.
func (f *follower) run(ctx context.Context) {
	silence := time.NewTimer(silentAfter)
	defer silence.Stop()
	first := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.dirty:
			f.follow(ctx)
			if first && ctx.Err() == nil {
				first = false
				close(f.ready)
			}
		case <-silence.C:
			silence.Reset(f.listen(time.Now()))
		}
	}
}

// listen logs that no command can come, once. It returns when to call it again.
func (f *follower) listen(now time.Time) time.Duration {
	f.mu.Lock()
	since := f.heard
	tell := !f.silent && now.Sub(since) >= silentAfter
	f.silent = f.silent || tell
	f.mu.Unlock()
	if tell {
		f.log.Warn("fleet: no command can come, because the broker is away; the present ones stay in force",
			"since", since.Format(time.RFC3339))
	}
	return max(silentAfter-now.Sub(since), time.Second)
}

// follow makes all consumers follow the present state.
func (f *follower) follow(ctx context.Context) {
	f.mu.Lock()
	refused, revision := f.state.refused(), f.state.newest()
	f.mu.Unlock()
	for _, c := range f.consumers {
		f.mu.Lock()
		o, bad := f.state.overrides(c.place)
		concerned := f.concerned(c.place)
		f.mu.Unlock()
		maps.Copy(refused, bad)
		if c.followed != nil && maps.Equal(c.followed, concerned) {
			continue // the change was for others
		}
		changes, err := c.follow(ctx, o)
		if ctx.Err() != nil {
			return
		}
		c.followed = concerned
		f.note(c, concerned, bad, changes, err)
	}
	f.tell(refused, revision)
}

// concerned returns the revisions of the records that are for a place. It is called with mu held.
func (f *follower) concerned(at place) map[string]queue.Revision {
	all := map[string]queue.Revision{}
	for key, r := range f.state.records {
		if r.record != nil && r.concerns(at) {
			all[key] = r.Revision
		}
	}
	return all
}

// note records what a consumer has made of each record that is for it. A job that was cancelled by
// a record is counted as long as the record is the same.
func (f *follower) note(
	c *consumer, revisions map[string]queue.Revision, bad map[string]error, changes []gentask.OverrideChange, err error,
) {
	jobs := map[string]int{}
	for i := range changes {
		for _, q := range []string{"", c.place.queue} {
			jobs[(&record{Kind: kindCancelled, Queue: q, Job: changes[i].ID}).key()] = changes[i].Jobs
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.outcomes, func(k outcomeKey, _ outcome) bool { return k.consumer == c && revisions[k.key] == 0 })
	for key, revision := range revisions {
		k := outcomeKey{key, c}
		now := outcome{revision: revision, jobs: jobs[key], err: bad[key]}
		if now.err == nil {
			now.err = err
		}
		if old := f.outcomes[k]; old.revision == revision {
			now.jobs = max(now.jobs, old.jobs)
		}
		f.outcomes[k] = now
	}
}

// tell shows what is followed now, and logs the records that are refused from now on.
func (f *follower) tell(refused map[string]error, revision queue.Revision) {
	f.mu.Lock()
	old := f.refused
	f.refused, f.followed = refused, revision
	f.mu.Unlock()
	for key, err := range refused {
		if was := old[key]; was == nil || was.Error() != err.Error() {
			f.log.Warn("fleet: command refused", "key", key, "error", err)
		}
	}
}

// outcome returns what a consumer has made of a record, of that revision or a later one.
func (f *follower) outcome(c *consumer, key string, revision queue.Revision) (made outcome, done bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.state.records[key]; r != nil && r.err != nil && r.Revision >= revision {
		return outcome{revision: r.Revision, err: r.err}, true
	}
	made = f.outcomes[outcomeKey{key, c}]
	return made, made.revision >= revision
}

// shown is what a follower shows of itself.
type shown struct {
	revision queue.Revision
	refused  map[string]error
	silent   time.Duration // since the last sign of the watch
}

func (f *follower) show() shown {
	f.mu.Lock()
	defer f.mu.Unlock()
	return shown{revision: f.followed, refused: f.refused, silent: time.Since(f.heard)}
}
