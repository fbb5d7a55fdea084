package gentask

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/supervision"
	"github.com/gentask/gentask/task"
)

// instance is one run of a consumer, from its start to its end.
type instance struct {
	*Consumer
	tasks    *task.Supervisor
	ledger   atomic.Pointer[actor.PID] // nil while there is none
	sys      atomic.Pointer[actor.System]
	starting chan struct{} // closed when there is a ledger for the first time; nil if Start did not start it
	stopping atomic.Bool   // the ledger is not to be started again
	paused   atomic.Bool   // by Pause, which outlives a ledger that crashes
	opened   atomic.Bool   // there has been a session
	limits   *limits
	done     chan struct{}

	// These belong to the consumer's mutex: see instances.go.
	begun   bool
	root    *actor.PID // the tree that leads it; nil before its ledger has entered
	rootSys *actor.System
	stops   int // how often the consumer had been stopped when it was made

	mu         sync.Mutex
	report     DrainReport
	err        error
	openFailed error // why the last attempt to open a session failed, while there has been none
}

const (
	// ledgerRestarts and ledgerPeriod bound how often the ledger may crash before the consumer gives up. Only a bug of the library's makes it
	// crash.
	ledgerRestarts = 10
	ledgerPeriod   = time.Minute
)

func newInstance(c *Consumer) *instance {
	l := &instance{Consumer: c, done: make(chan struct{})}
	tasks, err := task.New(task.Config{
		Name:         "tasks",
		Partitions:   c.cfg.partitions,
		MaxAbandoned: c.cfg.maxAbandoned(),
		Grace:        c.cfg.Grace,
		OnAbandoned:  l.abandonedNow,
	})
	if err != nil {
		panic(err) // the settings were checked
	}
	l.tasks = tasks
	l.limits = newLimits(c.cfg, l.unblock)
	return l
}

// abandonedNow passes the number of abandoned tasks on, if there is a ledger: a task may outlive it.
func (l *instance) abandonedNow(n int) {
	if pid := l.ledger.Load(); pid != nil {
		actor.Send(l.sys.Load(), pid, &abandonedNow{n})
	}
}

func (l *instance) props() *actor.Props {
	return l.tree(func() actor.Actor { return newLedger(l) })
}

// tree makes the Props of the root supervisor, whose only child is the ledger that the producer makes.
func (l *instance) tree(ledger func() actor.Actor) *actor.Props {
	props, err := supervision.Static(supervision.Spec{
		Intensity:    supervision.Intensity{Restarts: ledgerRestarts, Period: ledgerPeriod},
		Backoff:      supervision.Backoff{Base: 10 * time.Millisecond, Max: time.Second},
		AutoShutdown: supervision.AnySignificant,
		Children: []supervision.ChildSpec{{
			ID:          "ledger",
			Props:       func() *actor.Props { return actor.FromProducer(ledger) },
			Restart:     supervision.Transient,
			Significant: true,
			Shutdown:    max(l.cfg.DrainTimeout, 0) + l.cfg.graceTime() + flushTime + link.CloseTimeout + 2*link.DriverGrace,
		}},
		OnEvent: l.supervised,
	})
	if err != nil {
		panic(err) // there is nothing of the user's in it
	}
	return props
}

// supervised tells the log what the root supervisor had to do.
func (l *instance) supervised(ev supervision.Event) {
	if ev.Kind == supervision.ChildRestarting {
		l.cfg.Logger.Error("gentask: ledger crashed, started anew", "consumer", l.cfg.Name, "reason", ev.Reason, "stack", actor.Stack(ev.Reason))
	}
}

// attach is called by each incarnation of the ledger. The first one looks after the end of the tree.
func (l *instance) attach(sys *actor.System, root, ledger *actor.PID) {
	first := l.sys.Swap(sys) == nil
	l.ledger.Store(ledger)
	if !first {
		return
	}
	actor.OnExit(sys, root, func(e *actor.Exited) { l.end(e.Reason) })
	if l.starting != nil {
		close(l.starting)
	}
}

// fail notes why the consumer gives up.
func (l *instance) fail(reason error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = reason
}

// failure returns why the instance gave up; nil if it didn't.
func (l *instance) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// notStarted is the end of a tree that Start has spawned, and of which nobody else is told because it has ended before there was a ledger.
func (l *instance) notStarted(e *actor.Exited) {
	if l.sys.Load() == nil {
		l.end(e.Reason)
	}
}

// end is the end of the tree.
func (l *instance) end(reason error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over() {
		return
	}
	if l.err == nil && (actor.Abnormal(reason) || guard.Is(reason, actor.ErrRestart)) {
		l.err = reason
		l.gaveUp(reason)
	}
	l.limits.over()
	if l.current() == l { // else the next one has begun
		l.health.Store(&Health{State: Stopped, Since: time.Now(), Error: l.err})
	}
	close(l.done)
}

// gaveUp tells that the consumer ends by itself.
func (l *instance) gaveUp(reason error) {
	l.cfg.Logger.Error("gentask: giving up", "consumer", l.cfg.Name, "reason", reason)
	l.emit(Event{Kind: EventGaveUp, Reason: reason})
}

func (l *instance) drained(r DrainReport) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.report = r
}

func (l *instance) over() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

func (l *instance) stop(ctx context.Context) (DrainReport, error) {
	l.stopping.Store(true)
	if pid, sys := l.ledger.Load(), l.sys.Load(); pid != nil {
		actor.Send(sys, pid, &drainRequest{within: l.drainTime(ctx)})
	}
	if job, ok := FromContext(ctx); ok && job.entry.incarnation.instance == l || l.cfg.hooks.Inside() {
		return DrainReport{}, nil // the end waits for the caller
	}
	select {
	case <-l.done:
	case <-ctx.Done():
		return DrainReport{}, ctx.Err()
	}
	l.dedup.wait() // each call is bounded
	l.flush(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.report, nil
}

// driverStuck is called when a driver does not return, and its session is left behind.
func (l *instance) driverStuck() {
	l.cfg.Logger.Error("gentask: driver does not return, session left behind", "consumer", l.cfg.Name)
	l.emit(Event{Kind: EventDriverStuck})
}

// drainTime is how long running jobs may take to finish.
func (l *instance) drainTime(ctx context.Context) time.Duration {
	within := max(l.cfg.DrainTimeout, 0)
	if deadline, ok := ctx.Deadline(); ok {
		within = min(within, max(time.Until(deadline)-l.cfg.graceTime(), 0))
	}
	return within
}

// A consumer has one instance at a time. Start begins one; Props offers one, which begins when its Props
// are spawned and the ledger enters. An instance that is offered while the consumer runs takes nothing
// away: its tree ends with ErrRunning if it is spawned too early.

// offer makes an instance for Props. It is what the consumer shows while it has no other.
func (c *Consumer) offer() *instance {
	l := newInstance(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	l.stops = c.stops
	if !c.lives() {
		l.inherit(c.instance)
		c.instance = l
	}
	return l
}

// begin makes the instance of Start; nil if the consumer lives.
func (c *Consumer) begin() *instance {
	l := newInstance(c)
	l.starting = make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lives() {
		return nil
	}
	l.stops, l.begun = c.stops, true
	l.inherit(c.instance)
	c.instance = l
	return l
}

// enter returns the instance that the tree under root leads: the one that it has begun, if its ledger
// was started anew; the one that was offered with its Props, or, if that has been led by another
// tree of the same Props, a fresh one. It returns nil if the consumer lives in another tree.
func (c *Consumer) enter(offered *instance, sys *actor.System, root *actor.PID) *instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.instance
	switch {
	case l != nil && l.root != nil && l.root.Equal(root):
		return l
	case c.lives() && (l != offered || l.root != nil):
		return nil
	}
	l = offered
	if l.root != nil || l.over() {
		l = newInstance(c)
		l.stops = offered.stops
	}
	l.begun, l.root, l.rootSys = true, root, sys
	if l.stops != c.stops {
		l.stopping.Store(true) // its Props are older than a Stop
	}
	c.instance = l
	return l
}

// lives reports whether the consumer has an instance that has begun and not ended. It is called with mu
// held. A tree may be gone a moment before its end is told; a supervisor above it starts the next
// one at once.
func (c *Consumer) lives() bool {
	l := c.instance
	return l != nil && l.begun && !l.over() && (l.root == nil || actor.Alive(l.rootSys, l.root))
}

// revoke ends the right of all Props so far to begin an instance, and returns the instance to stop: only, or
// the current one if that is nil. It returns nil, and does nothing to only, if that is not the current one,
// and nil if the current one has not begun.
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

// inherit takes over those who wait for the end of an instance that was offered and has not begun.
func (l *instance) inherit(old *instance) {
	if old != nil && !old.begun {
		l.done = old.done
	}
}

// unblock posts to the ledger, if there is one, that a gate has opened by itself.
func (l *instance) unblock() {
	if pid := l.ledger.Load(); pid != nil {
		actor.Send(l.sys.Load(), pid, &unblocked{})
	}
}

// openedNever reports whether there has been no session, and notes why.
func (l *instance) openedNever(reason error) bool {
	if l.opened.Load() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.openFailed = reason
	return true
}

// neverOpened returns why no session was ever opened; nil if one was, or none was tried.
func (l *instance) neverOpened() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opened.Load() || l.openFailed == nil {
		return nil
	}
	return &noSessionError{l.openFailed}
}
