package gentask

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// Consumer runs the jobs of one queue. Its methods are safe for concurrent use.
//
// It lives as a small supervision tree, made by Start at the root of a system, or by Props wherever it is to live: a supervisor that starts
// the ledger anew if it crashes, the ledger, and below that the supervisors of workers and tasks.
type Consumer struct {
	cfg        *settings
	source     queue.Source
	behavior   Behavior
	events     subscribers
	gauges     gauges
	dedup      *dedup // nil when off
	foreigners *foreigners
	health     atomic.Pointer[Health]

	mu       sync.Mutex
	instance *instance // the last that has begun, or else was offered; nil before the first
	stops    int       // how often Stop was called
}

// New returns a consumer that is not running yet. It returns an error that wraps ErrConfig if source or behavior is missing, or cfg makes no sense:
// a line for each mistake, with what is wrong and what would be right. A duration that is longer than a hundred years is taken for that.
func New(source queue.Source, behavior Behavior, cfg Config) (*Consumer, error) {
	var errs []error
	if source == nil {
		errs = append(errs, fmt.Errorf("%w: source is nil; want a queue, for example embedded's Broker.Queue(name)", ErrConfig))
	}
	if behavior.empty() {
		errs = append(errs, fmt.Errorf("%w: behavior is empty; want one made by Handle, Work or Actor of something that is not nil", ErrConfig))
	}
	if named, ok := source.(queue.Named); ok && cfg.Name == "" {
		cfg.Name = named.Name()
	}
	s, err := cfg.settings()
	errs = append(errs, err)
	if behavior.check != nil {
		errs = append(errs, behavior.check(s))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s.forBehavior(behavior)
	c := &Consumer{cfg: s, source: source, behavior: behavior, dedup: newDedup(s.Policy.Dedup), foreigners: newForeigners()}
	if s.OnEvent != nil {
		c.events.add(s.hooks.onEvent, s.OnEvent)
	}
	return c, nil
}

// Run is [New] and [Consumer.Run]. It returns their errors.
func Run(ctx context.Context, source queue.Source, behavior Behavior, cfg Config) error {
	c, err := New(source, behavior, cfg)
	if err != nil {
		return err
	}
	return c.Run(ctx)
}

// Run starts the consumer, consumes until ctx ends, and then drains as [Consumer.Stop] does. It returns
// nil when the consumer was drained, however the running jobs ended, and when Stop was called
// elsewhere. Otherwise it returns why the consumer could not go on, or never began, in an error that
// wraps one of these:
//
//   - ErrRunning: the consumer runs already, and goes on
//   - queue.ErrConfig: the broker refuses a setting, before the first session
//   - ErrNoSession, and why the last attempt failed: until ctx ended, no session could be opened at
//     all; see [Config.FailFast]
//   - supervision.ErrIntensity: the consumer's ledger crashed too often
//   - ErrStanding: the consumer did not stop, 10 s after all of its limits
//
// When Run has returned, the consumer can be run again.
func (c *Consumer) Run(ctx context.Context) error {
	l, err := c.start()
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return l.finish(context.WithoutCancel(ctx))
	case <-l.done:
		c.flush(context.WithoutCancel(ctx))
		return l.failure()
	}
}

// Props makes the consumer's tree, for whoever wants it in a tree of his own; it fits supervision.ChildSpec.Props. Told to stop, the tree
// drains the consumer, so it wants a Shutdown of more than DrainTimeout and Grace, or supervision.Infinity.
//
// One tree of a consumer lives at a time: a further one, and one that is spawned after Start, ends
// at once with an error that wraps ErrRunning, and the consumer goes on. When the tree has ended,
// Start, Props of a new call, or the same Props again begin the next instance. Props that are spawned
// after a Stop that they are older than end at once, normally.
//
// The parent should be a supervisor of package supervision, which starts the consumer again when a strategy
// such as OneForAll or RestForOne stops it. A strategy of protoactor-go's own (actor.NewAllForOneStrategy, for
// example) restarts children in place, which no actor of this module can do without losing what it holds:
// told so, the consumer drains and ends, and Err returns an error that wraps actor.ErrRestart. A parent that
// keeps such a strategy must spawn the consumer again, with Props, when it hears of the end.
func (c *Consumer) Props() *actor.Props { return c.offer().props() }

// Start spawns the consumer at the root of Config.System and returns at once: see Health for how it gets on. It returns ErrRunning if the
// consumer runs.
func (c *Consumer) Start() error {
	_, err := c.start()
	return err
}

func (c *Consumer) start() (*instance, error) {
	l := c.begin()
	if l == nil {
		return nil, ErrRunning
	}
	c.show(view{state: Connecting, width: c.cfg.Concurrency}, nil)
	c.turned(time.Now()) // from now on it must turn
	sys := c.cfg.System
	if sys == nil {
		sys = actor.NewSystem(actor.SystemConfig{Logger: c.cfg.systemLog()})
	}
	root := actor.SpawnRoot(sys, l.props(), c.cfg.Name)
	actor.OnExit(sys, root, l.notStarted)
	return l, nil
}

// Name returns the consumer's name: [Config.Name], or what stands for it when that is empty.
func (c *Consumer) Name() string { return c.cfg.Name }

// current returns the instance that was started last; nil before the first.
func (c *Consumer) current() *instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.instance
}

// Done returns a channel that is closed when a started consumer has ended, by Stop or because it gave up; nil before Start.
func (c *Consumer) Done() <-chan struct{} {
	if l := c.current(); l != nil {
		return l.done
	}
	return nil
}

// Err returns why the consumer gave up; nil if it didn't.
func (c *Consumer) Err() error {
	if l := c.current(); l != nil {
		return l.failure()
	}
	return nil
}

// Stop drains the consumer: it takes no more, gives back what has not been started, lets running jobs finish for Config.DrainTimeout, or as
// long as ctx leaves beside the grace, cancels the rest, and closes the session when everything is settled. It returns the report when all of
// the consumer is gone. If ctx ends first it returns ctx.Err(), and the drain goes on. A second Stop joins the first. Stopping a consumer that
// is not running does nothing.
//
// From inside a job of the same consumer, whose end the drain waits for, and from inside any function that was
// handed in, Stop starts the drain and returns at once with an empty report, whatever ctx is. A subscriber or a
// Logger that does not return from a call for 5 s is not waited for.
func (c *Consumer) Stop(ctx context.Context) (DrainReport, error) {
	l := c.revoke(nil)
	if l == nil {
		return DrainReport{}, nil
	}
	return l.stop(ctx)
}

// Pause makes the consumer take no more work, from now on: what has not been started goes back to the queue, what runs goes on. It lasts until
// Resume, or the consumer's end. It returns ErrNotRunning or ctx.Err().
func (c *Consumer) Pause(ctx context.Context) error {
	return c.ask(ctx, func(answer func(error)) message { return &pauseRequest{on: true, answer: answer} })
}

// Resume undoes Pause.
func (c *Consumer) Resume(ctx context.Context) error {
	return c.ask(ctx, func(answer func(error)) message { return &pauseRequest{answer: answer} })
}

// Cancel stops the job with this message ID: see Job.Cancel. A job that waits for its slot is never run; its worker hears the cancellation when
// its turn comes. A worker made by Actor that runs no task is ended, and the default policy decides. Where messages share an ID, all of
// them are cancelled. It returns ErrUnknownJob if no such delivery is held here, ErrNotRunning or ctx.Err().
func (c *Consumer) Cancel(ctx context.Context, id string) error {
	return c.ask(ctx, func(answer func(error)) message { return &cancelRequest{id: id, answer: answer} })
}

// Jobs describes what the consumer holds and runs, in the order in which it came. It returns ErrNotRunning or ctx.Err().
func (c *Consumer) Jobs(ctx context.Context) ([]JobStatus, error) {
	return askLedger(ctx, c.current(), func(answer func([]JobStatus)) message { return &jobsRequest{answer: answer} })
}

// Worker returns the address of the worker of the job with this message ID, for tools that ask it
// something: with [actor.Ask] in [Config.System], a worker made by [Actor] answers as it is programmed;
// those of the library's own ignore what is sent to them. Where messages share an ID it is that of the
// first that has a worker. The worker may end at any time. Worker returns ErrUnknownJob if no such
// delivery is held here, ErrNoWorker if it has no worker, ErrNotRunning or ctx.Err().
func (c *Consumer) Worker(ctx context.Context, id string) (*actor.PID, error) {
	found, err := askLedger(ctx, c.current(), func(answer func(workerAnswer)) message { return &workerRequest{id: id, answer: answer} })
	if err != nil {
		return nil, err
	}
	return found.pid, found.err
}

// Health says how the consumer is. It doesn't block.
func (c *Consumer) Health() Health {
	var now Health
	if h := c.health.Load(); h != nil {
		now = *h
	}
	c.foreigners.tell(&now)
	now.Running, now.Held = int(c.gauges.running.Load()), int(c.gauges.held.Load())
	now.Hooks = c.hooksHealth()
	if turn := c.gauges.turn.Load(); turn != nil && now.State != Stopped {
		now.Turn = *turn
	}
	if now.stands() {
		now.Error = fmt.Errorf("%w since %v", ErrStanding, now.Turn.Format(time.RFC3339))
	}
	return now
}

// Alive is [Health.Alive] of now.
func (c *Consumer) Alive() bool { return c.Health().Alive() }

func (c *Consumer) ask(ctx context.Context, request func(answer func(error)) message) error {
	err, askErr := askLedger(ctx, c.current(), request)
	if askErr != nil {
		return askErr
	}
	return err
}

func askLedger[T any](ctx context.Context, l *instance, request func(answer func(T)) message) (T, error) {
	var none T
	if l == nil {
		return none, ErrNotRunning
	}
	if l.starting != nil {
		select {
		case <-l.starting:
		case <-l.done:
			return none, ErrNotRunning
		case <-ctx.Done():
			return none, ctx.Err()
		}
	}
	pid, sys := l.ledger.Load(), l.sys.Load()
	if pid == nil {
		return none, ErrNotRunning
	}
	a, err := actor.Ask(ctx, sys, pid, func(answer func(T)) any { return request(answer) })
	if guard.Is(err, actor.ErrNoProcess) {
		err = ErrNotRunning
	}
	return a, err
}

// Subscribe calls f for each [Event] from now on, as [Config.OnEvent] is called: one after the other, in
// order, on a goroutine of its own. Any number of subscribers may come and go, before Start and after;
// one that blocks holds up no other. Subscribe(nil) does nothing.
//
// The returned function ends the subscription. It does not wait for a call that has begun; it may be
// called from anywhere, more than once.
func (c *Consumer) Subscribe(f func(Event)) (cancel func()) {
	if f == nil {
		return func() {}
	}
	return c.events.add(c.cfg.hooks.subscribe, f)
}

// flush returns when subscribers and Logger have been told everything, but for those that hang, or when
// ctx ends.
func (c *Consumer) flush(ctx context.Context) {
	c.events.wait(ctx)
	if logs := c.cfg.hooks.logs; logs != nil {
		_ = logs.Wait(ctx, hookTime) // in vain: it is counted
	}
}

// hooksHealth returns what there is to tell of the functions that were handed in, by name.
func (c *Consumer) hooksHealth() map[string]HookHealth {
	h := c.cfg.hooks
	var all map[string]HookHealth
	note := func(name string, s HookHealth) {
		if all == nil {
			all = map[string]HookHealth{}
		}
		all[name] = s
	}
	for name, s := range h.Stats() {
		note(name, HookHealth(s))
	}
	hung := func(name string) {
		s := all[name]
		s.Hung++
		note(name, s)
	}
	for _, one := range c.events.list() {
		if one.Stuck(stuckAfter) {
			hung(one.Name())
		}
	}
	if h.logs != nil && h.logs.Stuck(stuckAfter) {
		hung(h.logger.Name())
	}
	return all
}
