package schedule

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// follower runs the plans of a store, and changes them as the store does. While the store is away,
// the plans that it has yielded go on.
type follower struct {
	state     *state
	notes     *notes
	publisher queue.Publisher
	like      runner
	log       *slog.Logger
	own       map[string]bool // names of the plans of Config.Plans
	running   map[string]*running
	answered  map[string]answered
	logged    map[string]queue.Revision // plans that are not run, and the log has it
	live      bool                      // the first state was followed

	wg    sync.WaitGroup // the runners
	ended chan error     // capacity 1: the publisher is closed
}

// running is a runner of a stored plan.
type running struct {
	revision queue.Revision
	since    time.Time          // that of the plan
	stop     context.CancelFunc // ends it
	retire   context.CancelFunc // ends it after its present firing
}

func newFollower(stored *Plans, own []timetable, p queue.Publisher, like runner) *follower {
	f := &follower{
		state: newState(stored), notes: newNotes(stored, like.log), publisher: p, like: like, log: like.log,
		own: map[string]bool{}, running: map[string]*running{}, logged: map[string]queue.Revision{},
		answered: map[string]answered{}, ended: make(chan error, 1),
	}
	for i := range own {
		f.own[own[i].Name] = true
	}
	return f
}

// run follows until ctx ends, or the publisher is closed.
func (f *follower) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var writing, watching sync.WaitGroup
	writing.Go(func() { f.notes.run(ctx) })
	watching.Go(func() { f.watch(ctx) })
	var err error
	select {
	case err = <-f.ended:
		cancel()
	case <-ctx.Done():
	}
	watching.Wait()
	f.wg.Wait()
	writing.Wait()
	f.notes.flush(ctx)
	return err
}

// watch watches the store, again and again, until ctx ends.
func (f *follower) watch(ctx context.Context) {
	var b backoff
	for ctx.Err() == nil {
		err := f.watchOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := b.next()
		f.log.ErrorContext(ctx, "schedule: the stored plans can't be watched, those that are known go on",
			"error", err, "again in", wait)
		if guard.Is(err, queue.ErrClosed) {
			return
		}
		sleep(ctx, wait)
	}
}

// watchOnce follows until the watch ends. All that is there is yielded again.
func (f *follower) watchOnce(ctx context.Context) error {
	f.state.take(queue.Change{Kind: queue.ChangeReset})
	for change, err := range f.state.of.store.Watch(ctx, f.state.of.prefix) {
		if err != nil {
			return seal(err)
		}
		f.take(ctx, change)
	}
	return errors.New("the watch has ended")
}

// take follows one change. A state that is not whole yet is followed when it is.
func (f *follower) take(ctx context.Context, change queue.Change) {
	name := f.state.take(change)
	switch {
	case !f.state.current:
		return
	case change.Kind == queue.ChangeCurrent:
		f.notes.set(f.state.fired)
		f.followAll(ctx)
		f.live = true
	case name != "":
		f.follow(ctx, name)
	default:
		f.notes.set(f.state.fired)
	}
}

// followAll follows the whole state.
func (f *follower) followAll(ctx context.Context) {
	for name := range f.running {
		if _, there := f.state.plans[name]; !there {
			f.follow(ctx, name)
		}
	}
	for name := range f.answered {
		if _, there := f.state.plans[name]; !there {
			f.follow(ctx, name)
		}
	}
	for name := range f.state.plans {
		f.follow(ctx, name)
	}
}

// follow runs a plan by its present record, and fires it if that was asked for.
func (f *follower) follow(ctx context.Context, name string) {
	f.followPlan(ctx, name)
	f.fireAsked(ctx, name)
}

// followPlan runs a plan by its present record.
func (f *follower) followPlan(ctx context.Context, name string) {
	k, there := f.state.plans[name]
	present := f.running[name]
	if there && present != nil && present.revision == k.revision {
		return
	}
	runs := there && k.err == nil && !k.record.Paused && !f.own[name]
	if present != nil {
		if runs && present.since.Equal(k.record.Since) {
			present.retire()
		} else {
			present.stop()
		}
		delete(f.running, name)
	}
	switch {
	case runs:
		f.start(ctx, name, k)
	case there:
		f.tell(ctx, name, k)
	default:
		f.notes.forget(name)
	}
}

// tell logs, once, why a plan is not run.
func (f *follower) tell(ctx context.Context, name string, k known) {
	if f.logged[name] == k.revision {
		return
	}
	f.logged[name] = k.revision
	log := f.log.With("plan", name)
	switch {
	case k.err != nil:
		log.ErrorContext(ctx, "schedule: a stored plan can't be run by this program, and is kept", "error", k.err)
	case f.own[name]:
		log.WarnContext(ctx, "schedule: a stored plan is not run, the program has a plan of that name")
	}
}

// bridge is how long ago a plan may have been changed so that it begins with the planned times
// after the change, and not those from now on: a change takes a moment until it is here.
const bridge = 5 * time.Second

// start starts the runner of a plan.
func (f *follower) start(ctx context.Context, name string, k known) {
	r := f.like.of(k.table, f.publisher)
	r.kept = noted{f.notes, name, k.record.Changed}
	if from := later(k.record.Changed, f.notes.last(name)); f.live && r.now().Sub(from) < bridge {
		r.from = from
	}
	ctx, stop := context.WithCancel(ctx)
	waiting, retire := context.WithCancel(ctx)
	f.running[name] = &running{k.revision, k.record.Since, stop, retire}
	f.wg.Go(func() {
		defer stop()
		defer retire()
		f.end(ctx, r.log, r.run(ctx, waiting))
	})
}

// end handles the error of a runner. One plan that the publisher refuses must not end the others.
func (f *follower) end(ctx context.Context, log *slog.Logger, err error) {
	switch {
	case err == nil:
	case guard.Is(err, queue.ErrClosed):
		select {
		case f.ended <- err:
		default: // another plan has said so
		}
	default:
		log.ErrorContext(ctx, "schedule: the plan rests until it is changed", "error", err)
	}
}
