package gentask

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/supervision"
	"github.com/gentask/gentask/task"
)

// instance is one run of a consumer, from its start to its end.
type instance struct {
	*Consumer
	tasks  *task.Supervisor
	ledger atomic.Pointer[actor.PID] // nil while there is none
	sys    atomic.Pointer[actor.System]
	// starting is closed when there is a ledger for the first time. It is nil unless made by Start.
	starting chan struct{}
	stopping atomic.Bool // the ledger must not be restarted
	paused   atomic.Bool // by Pause, which outlives a ledger that crashes
	opened   atomic.Bool // there has been a session
	limits   *limits
	needs    provision
	done     chan struct{}

	// These fields are guarded by the consumer's mutex.
	begun   bool
	claimed *bool      // an instance with the same done has begun, and will close it
	root    *actor.PID // the tree that runs it; nil before its ledger has entered
	rootSys *actor.System
	stops   int // how often the consumer had been stopped when it was made

	mu     sync.Mutex
	report DrainReport
	err    error
	// openFailed is why the last attempt to open a session failed, until one was opened.
	openFailed error
}

const (
	// ledgerRestarts and ledgerPeriod bound how often the ledger may crash before the consumer
	// gives up. Only a bug in the library makes it crash.
	ledgerRestarts = 10
	ledgerPeriod   = time.Minute
)

func newInstance(c *Consumer) *instance {
	i := &instance{
		Consumer: c, done: make(chan struct{}), claimed: new(bool), needs: provision{all: c.behavior.needs()},
	}
	tasks, err := task.New(task.Config{
		Name:         "tasks",
		Partitions:   c.cfg.partitions,
		MaxAbandoned: c.cfg.maxAbandoned(),
		Grace:        c.cfg.Grace,
		OnAbandoned:  i.abandonedNow,
	})
	if err != nil {
		panic(err) // the settings were checked
	}
	i.tasks = tasks
	i.limits = newLimits(c.cfg, i.unblock)
	i.limits.fleetGates = newFleetGates(c.cfg.Policy.Fleet, &c.quotas, i.unitLost)
	return i
}

// abandonedNow passes on the number of abandoned tasks, if there is a ledger: a task may outlive
// it.
func (i *instance) abandonedNow(n int) {
	if pid := i.ledger.Load(); pid != nil {
		actor.Send(i.sys.Load(), pid, &abandonedNow{n})
	}
}

func (i *instance) props() *actor.Props {
	return i.tree(func() actor.Actor { return newLedger(i) })
}

// tree makes the Props of the root supervisor, whose only child is the ledger that the producer
// makes.
func (i *instance) tree(ledger func() actor.Actor) *actor.Props {
	props, err := supervision.Static(supervision.Spec{
		Intensity:    supervision.Intensity{Restarts: ledgerRestarts, Period: ledgerPeriod},
		Backoff:      supervision.Backoff{Base: 10 * time.Millisecond, Max: time.Second},
		AutoShutdown: supervision.AnySignificant,
		Children: []supervision.ChildSpec{{
			ID:          "ledger",
			Props:       func() *actor.Props { return actor.FromProducer(ledger) },
			Restart:     supervision.Transient,
			Significant: true,
			Shutdown: max(i.cfg.DrainTimeout, 0) + i.cfg.graceTime() + flushTime +
				link.CloseTimeout + 2*link.DriverGrace,
		}},
		OnEvent: i.supervised,
	})
	if err != nil {
		panic(err) // the spec does not depend on the user
	}
	return props
}

// supervised logs the restarts of the ledger.
func (i *instance) supervised(ev supervision.Event) {
	if ev.Kind == supervision.ChildRestarting {
		i.cfg.Logger.LogAttrs(context.Background(), slog.LevelError, "gentask: ledger crashed, started anew",
			failureAttrs(ev.Reason)...)
	}
}

// attach is called by each incarnation of the ledger. The first one observes the end of the tree.
func (i *instance) attach(sys *actor.System, root, ledger *actor.PID) {
	first := i.sys.Swap(sys) == nil
	i.ledger.Store(ledger)
	if !first {
		return
	}
	i.needs.begin(i.cfg.resourceUser())
	actor.OnExit(sys, root, func(e *actor.Exited) { i.needs.end(func() { i.end(e.Reason) }) })
	if i.starting != nil {
		close(i.starting)
	}
}

// failure returns why the instance gave up; nil if it didn't.
func (i *instance) failure() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.err
}

// notStarted is called when a tree that Start has spawned has ended. If there was no ledger before,
// nothing else observes that end.
func (i *instance) notStarted(e *actor.Exited) {
	if i.sys.Load() == nil {
		i.needs.end(func() { i.end(e.Reason) })
	}
}

// end is called when the tree has ended, and the resources are closed.
func (i *instance) end(reason error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over() {
		return
	}
	if i.err == nil && (actor.Abnormal(reason) || guard.Is(reason, actor.ErrRestart)) {
		i.err = reason
		i.gaveUp(reason)
	}
	i.limits.over()
	i.showStopped()
	close(i.done)
}

// showStopped publishes that the consumer has stopped, unless the next instance has begun. That
// takes the mutex of the consumer before it publishes anything, so its state can't be overwritten.
func (i *instance) showStopped() {
	i.Consumer.mu.Lock()
	defer i.Consumer.mu.Unlock()
	if i.instance == i {
		i.health.Store(&Health{State: Stopped, Since: time.Now(), Error: i.err})
	}
}

// gaveUp reports that the consumer ends by itself.
func (i *instance) gaveUp(reason error) {
	i.cfg.Logger.Error("gentask: giving up", keyError, reason)
	i.emit(Event{Kind: EventGaveUp, Reason: reason})
}

func (i *instance) drained(r DrainReport) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.report = r
}

func (i *instance) over() bool {
	select {
	case <-i.done:
		return true
	default:
		return false
	}
}

func (i *instance) stop(ctx context.Context) (DrainReport, error) {
	i.stopping.Store(true)
	if pid, sys := i.ledger.Load(), i.sys.Load(); pid != nil {
		actor.Send(sys, pid, &drainRequest{within: i.drainTime(ctx)})
	}
	if job, ok := FromContext(ctx); ok && job.entry.incarnation.instance == i || i.cfg.hooks.Inside() {
		return DrainReport{}, nil // the end waits for the caller
	}
	select {
	case <-i.done:
	case <-ctx.Done():
		return DrainReport{}, ctx.Err()
	}
	i.dedup.wait() // each call is bounded
	i.flush(ctx)
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.report, nil
}

// driverStuck is called when a driver does not return, and its session is left behind.
func (i *instance) driverStuck() {
	i.cfg.Logger.Error("gentask: driver does not return, session left behind")
	i.emit(Event{Kind: EventDriverStuck})
}

// drainTime returns how long running jobs may take to finish.
func (i *instance) drainTime(ctx context.Context) time.Duration {
	within := max(i.cfg.DrainTimeout, 0)
	if deadline, ok := ctx.Deadline(); ok {
		within = min(within, max(time.Until(deadline)-i.cfg.graceTime(), 0))
	}
	return within
}

// A consumer has one instance at a time. Start begins one. Props offers one, which begins when its
// Props are spawned and the ledger enters. Offering an instance while the consumer runs changes
// nothing: its tree ends with ErrRunning if it is spawned too early.

// offer returns an instance for Props. The consumer shows it while there is no other.
func (c *Consumer) offer() *instance {
	i := newInstance(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	i.stops = c.stops
	if !c.lives() {
		i.inherit(c.instance)
		c.instance = i
	}
	return i
}

// begin returns the instance for Start; nil if the consumer lives.
func (c *Consumer) begin() *instance {
	i := newInstance(c)
	i.starting = make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lives() {
		return nil
	}
	i.stops, i.begun = c.stops, true
	i.inherit(c.instance)
	*i.claimed = true
	c.instance = i
	return i
}

// enter returns the instance for the tree under root:
//
//   - the one that the tree has begun, if its ledger was restarted
//   - otherwise the one that was offered with its Props
//   - a new one if another tree has used that, or one whose waiters it shares
//   - nil if the consumer lives in another tree
func (c *Consumer) enter(offered *instance, sys *actor.System, root *actor.PID) *instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.instance
	switch {
	case i.root != nil && i.root.Equal(root):
		return i
	case c.lives() && (i != offered || i.root != nil):
		return nil
	}
	i = offered
	if i.root != nil || i.over() || *i.claimed && !i.begun {
		i = newInstance(c)
		i.stops = offered.stops
	}
	i.begun, i.root, i.rootSys, *i.claimed = true, root, sys, true
	if i.stops != c.stops {
		i.stopping.Store(true) // its Props are older than a Stop
	}
	c.instance = i
	return i
}

// lives reports whether the consumer has an instance that has begun and not ended. It must be
// called with mu held. A tree may end a moment before end is called, and a supervisor above it
// starts the next one at once.
func (c *Consumer) lives() bool {
	i := c.instance
	return i != nil && i.begun && !i.over() && (i.root == nil || actor.Alive(i.rootSys, i.root))
}

// revoke ends the right of all Props so far to begin an instance, and returns the instance to stop:
// only, or the current one if that is nil. It returns nil, and does nothing to only, if that is not
// the current one, and nil if the current one has not begun.
func (c *Consumer) revoke(only *instance) *instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	if only != nil && c.instance != only {
		return nil
	}
	c.stops++
	if c.instance == nil || !c.instance.begun {
		return nil
	}
	return c.instance
}

// inherit adopts the waiters for the end of an instance that was offered and has not begun.
func (i *instance) inherit(old *instance) {
	if old != nil && !old.begun && !*old.claimed {
		i.done, i.claimed = old.done, old.claimed
	}
}

// saturated reports whether too many abandoned tasks still run, or calls of HandleResult hang, to
// take more work.
func (i *instance) saturated() bool {
	return i.cfg.MaxAbandoned != never && i.tasks.Stats().Abandoned >= i.cfg.MaxAbandoned ||
		i.cfg.hooks.handle.Hung() >= guard.MaxHung
}

// unblock informs the ledger, if there is one, that a gate has opened by itself.
func (i *instance) unblock() {
	if pid := i.ledger.Load(); pid != nil {
		actor.Send(i.sys.Load(), pid, &unblocked{})
	}
}

// openedNever reports whether there has been no session. It records why.
func (i *instance) openedNever(reason error) bool {
	if i.opened.Load() {
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.openFailed = reason
	return true
}

// givesUp reports whether the consumer ends because its first session could not be opened: waiting
// would not mend the reason. It records and reports the reason.
func (i *instance) givesUp(reason error) bool {
	mistake := guard.Is(reason, queue.ErrConfig) || i.cfg.FailFast && saidNo(reason)
	if !i.openedNever(reason) || !mistake {
		return false
	}
	i.mu.Lock()
	i.err = reason
	i.mu.Unlock()
	i.gaveUp(reason)
	return true
}

// neverOpened returns why no session was ever opened; nil if one was, or none was attempted.
func (i *instance) neverOpened() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.opened.Load() || i.openFailed == nil {
		return nil
	}
	return &noSessionError{i.openFailed}
}

// finish is the end of Run.
func (i *instance) finish(ctx context.Context) error {
	if limit, bounded := i.cfg.stopLimit(); bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	i.revoke(i)
	if _, err := i.stop(ctx); err != nil {
		return fmt.Errorf("%w, and did not stop: %w", ErrStanding, err)
	}
	return cmp.Or(i.failure(), i.neverOpened())
}

// unitLost informs the ledger, if there is one, that a job has lost its unit of the fleet's limit.
func (i *instance) unitLost(it *admission.Item) {
	if pid := i.ledger.Load(); pid != nil {
		actor.Send(i.sys.Load(), pid, &unitLost{entryOf(it)})
	}
}
