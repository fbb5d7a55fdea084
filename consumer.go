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
// It is a small supervision tree, which [Consumer.Start] spawns at the root of a system, and
// [Consumer.Props] anywhere else. The root of the tree is a supervisor that restarts the ledger if
// it crashes. Below it is the ledger, and below that are the supervisors of workers and tasks.
type Consumer struct {
	cfg        *settings
	source     queue.Source
	behavior   Behavior
	events     subscribers
	gauges     gauges
	dedup      *dedup // nil when off
	foreigners *foreigners
	health     atomic.Pointer[Health]
	overrides  atomic.Pointer[Overrides] // never nil
	quotas     quotas

	mu       sync.Mutex
	instance *instance // the last one that has begun, or else was offered; nil before the first
	stops    int       // how often Stop was called
}

// New returns a consumer that is not running yet. It returns an error that wraps [ErrConfig] if
// source or behavior is missing, or if cfg makes no sense. The error has a line for each mistake,
// with the wrong value and the right ones. A duration of more than a hundred years is taken for a
// hundred years.
func New(source queue.Source, behavior Behavior, cfg Config) (*Consumer, error) {
	var errs []error
	if source == nil {
		errs = append(errs,
			fmt.Errorf("%w: source is nil; want a queue, for example embedded's Broker.Queue(name)", ErrConfig))
	}
	if behavior.empty() {
		errs = append(errs, fmt.Errorf(
			"%w: behavior is empty; want one made by Handle, Work or Actor of something that is not nil", ErrConfig))
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
	s.logFrom(source)
	s.forBehavior(behavior)
	c := &Consumer{
		cfg: s, source: source, behavior: behavior, dedup: newDedup(s.Policy.Dedup), foreigners: newForeigners(),
	}
	c.overrides.Store(&Overrides{})
	if s.OnEvent != nil {
		c.events.add(s.hooks.onEvent, s.OnEvent)
	}
	return c, nil
}

// Run calls [New] and [Consumer.Run], and returns their errors.
func Run(ctx context.Context, source queue.Source, behavior Behavior, cfg Config) error {
	c, err := New(source, behavior, cfg)
	if err != nil {
		return err
	}
	return c.Run(ctx)
}

// Run starts the consumer, consumes until ctx ends, and then drains as [Consumer.Stop] does. It
// returns nil when the consumer was drained, however the running jobs ended, and when Stop was
// called elsewhere. Otherwise it returns the reason why the consumer could not go on, or never
// began. The error wraps one of these:
//
//   - [ErrRunning]: the consumer runs already, and goes on
//   - [queue.ErrConfig]: the broker refuses a setting, before the first session
//   - [ErrNoSession], with the error of the last attempt: until ctx ended, no session could be
//     opened at all; see [Config.FailFast]. A first attempt that the end of ctx cuts within a second
//     is no failure.
//   - [supervision.ErrIntensity]: the consumer's ledger crashed too often
//   - [ErrStanding]: the consumer did not stop, 10 s after all of its limits
//
// After Run has returned, the consumer can be run again.
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

// Props returns the props of the consumer's tree, to spawn it in another tree. As a method value it
// fits [supervision.ChildSpec.Props]. When the tree is stopped, it drains the consumer. Therefore
// [supervision.ChildSpec.Shutdown] should be longer than [Config.DrainTimeout] and [Config.Grace]
// together, or [supervision.Infinity].
//
// Only one tree of a consumer lives at a time. A further tree, and one that is spawned after Start,
// ends at once with an error that wraps [ErrRunning], and the consumer goes on. When the tree has
// ended, the next instance can begin, by Start, by a new call of Props, or by the same Props. Props
// that were made before a Stop and are spawned after it end at once, normally.
//
// The parent should be a supervisor of package supervision. It starts the consumer again when a
// strategy such as OneForAll or RestForOne stops it. The strategies of protoactor-go, such as
// actor.NewAllForOneStrategy, restart children in place. No actor of this module can do that
// without losing its state. The consumer drains and ends instead, and [Consumer.Err] returns an
// error that wraps [actor.ErrRestart]. A parent that keeps such a strategy must spawn the consumer
// again, with Props, when it ends.
func (c *Consumer) Props() *actor.Props { return c.offer().props() }

// Start spawns the consumer at the root of [Config.System] and returns at once. [Consumer.Health]
// reports its progress. Start returns [ErrRunning] if the consumer runs.
func (c *Consumer) Start() error {
	_, err := c.start()
	return err
}

func (c *Consumer) start() (*instance, error) {
	l := c.begin()
	if l == nil {
		return nil, ErrRunning
	}
	c.show(view{state: Connecting, width: c.overrides.Load().concurrency(c.cfg.Concurrency)}, nil)
	c.turned(time.Now()) // from now on it must turn
	sys := c.cfg.System
	if sys == nil {
		sys = actor.NewSystem(actor.SystemConfig{Logger: c.cfg.systemLog()})
	}
	root := actor.SpawnRoot(sys, l.props(), c.cfg.Name)
	actor.OnExit(sys, root, l.notStarted)
	return l, nil
}

// Name returns the consumer's name: [Config.Name], or its default if that is empty.
func (c *Consumer) Name() string { return c.cfg.Name }

// Queue returns the name of the queue if the source has one: see [queue.Named]. Otherwise it
// returns the consumer's name.
func (c *Consumer) Queue() string {
	if named, ok := c.source.(queue.Named); ok {
		return named.Name()
	}
	return c.cfg.Name
}

// current returns the instance that was started last; nil before the first.
func (c *Consumer) current() *instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.instance
}

// Done returns a channel that is closed when a started consumer has ended, because of Stop or
// because it gave up. It returns nil before Start.
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

// Stop drains the consumer. The consumer receives nothing more, gives back unstarted deliveries,
// and lets running jobs finish. They have [Config.DrainTimeout], or as long as ctx leaves beside
// the grace; then they are cancelled. The session is closed when everything is settled. Stop
// returns the report when all of the consumer is gone. If ctx ends first, it returns ctx.Err(), and
// the drain goes on. A second Stop joins the first. Stopping a consumer that is not running does
// nothing.
//
// Stop may be called from inside a job of the same consumer, or any function that the consumer was
// given. There it starts the drain and returns at once with an empty report, for any ctx, because
// the drain waits for that job. A subscriber or a Logger that does not return from a call for 5 s
// is not waited for.
func (c *Consumer) Stop(ctx context.Context) (DrainReport, error) {
	l := c.revoke(nil)
	if l == nil {
		return DrainReport{}, nil
	}
	return l.stop(ctx)
}

// Pause stops the consumer from taking more work: unstarted deliveries go back to the queue, and
// running jobs go on. A pause lasts until [Consumer.Resume], or until the consumer ends. An
// operator's pause is another one: see [Overrides.Paused]. Pause returns [ErrNotRunning] or
// ctx.Err().
func (c *Consumer) Pause(ctx context.Context) error {
	return c.ask(ctx, func(answer func(error)) message { return &pauseRequest{on: true, answer: answer} })
}

// Resume undoes [Consumer.Pause] and [PauseConsumer]. It returns [ErrNotRunning] or ctx.Err().
func (c *Consumer) Resume(ctx context.Context) error {
	return c.ask(ctx, func(answer func(error)) message { return &pauseRequest{answer: answer} })
}

// Cancel stops the job with this message ID: see [Job.Cancel]. A job that waits for its slot is
// never run; its worker gets the cancellation when the job gets its slot. A worker made by [Actor]
// that runs no task is ended, and the default policy decides. If messages share an ID, all of them
// are cancelled. Cancel returns [ErrUnknownJob] if no such delivery is held here, [ErrNotRunning]
// or ctx.Err().
func (c *Consumer) Cancel(ctx context.Context, id string) error {
	return c.ask(ctx, func(answer func(error)) message { return &cancelRequest{id: id, answer: answer} })
}

// Jobs returns the status of each job that the consumer holds or runs, in the order in which they
// were received. It returns [ErrNotRunning] or ctx.Err().
func (c *Consumer) Jobs(ctx context.Context) ([]JobStatus, error) {
	return askLedger(ctx, c.current(), func(answer func([]JobStatus)) message { return &jobsRequest{answer: answer} })
}

// Worker returns the address of the worker of the job with this message ID, for tools. With
// [actor.Ask] in [Config.System], a worker made by [Actor] answers as it is programmed. The
// library's own workers ignore such messages. If messages share an ID, the address is that of the
// first one that has a worker. The worker may end at any time. Worker returns [ErrUnknownJob] if no
// such delivery is held here, [ErrNoWorker] if it has no worker, [ErrNotRunning] or ctx.Err().
func (c *Consumer) Worker(ctx context.Context, id string) (*actor.PID, error) {
	found, err := askLedger(ctx, c.current(), func(answer func(workerAnswer)) message {
		return &workerRequest{id: id, answer: answer}
	})
	if err != nil {
		return nil, err
	}
	return found.pid, found.err
}

// Health returns a snapshot of the consumer's state. It doesn't block.
func (c *Consumer) Health() Health {
	var now Health
	if h := c.health.Load(); h != nil {
		now = *h
	}
	c.foreigners.tell(&now)
	now.Prefetch, now.Overrides = c.cfg.Prefetch, *c.overrides.Load()
	now.Running, now.Held = int(c.gauges.running.Load()), int(c.gauges.held.Load())
	now.Done, now.Retried = c.gauges.ended[queue.Ack].Load(), c.gauges.ended[queue.Requeue].Load()
	now.DeadLettered = c.gauges.ended[queue.DeadLetter].Load()
	now.Hooks = c.hooksHealth()
	if turn := c.gauges.turn.Load(); turn != nil && now.State != Stopped {
		now.Turn = *turn
	}
	if now.stands() {
		now.Error = fmt.Errorf("%w since %v", ErrStanding, now.Turn.Format(time.RFC3339))
	}
	return now
}

// Alive reports whether the process is worth keeping: see [Health.Alive].
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

// Subscribe calls f for each [Event] from now on, as [Config.OnEvent] is called: one after the
// other, in order, on a goroutine of its own. Subscribers can be added and removed at any time,
// before Start and after. A subscriber that blocks delays no other. Subscribe(nil) does nothing.
//
// With kinds, f is called for events of these kinds only. One that needs only [EventDone] costs a
// job a third of one that needs all.
//
// The returned function ends the subscription. It does not wait for a call that has begun. It may
// be called from anywhere, more than once.
func (c *Consumer) Subscribe(f func(Event), kinds ...EventKind) (cancel func()) {
	if f == nil {
		return func() {}
	}
	return c.events.add(c.cfg.hooks.subscribe, f, kinds...)
}

// flush returns when all events and records have reached the subscribers and the Logger, except
// those that hang, or when ctx ends.
func (c *Consumer) flush(ctx context.Context) {
	c.events.wait(ctx)
	if logs := c.cfg.hooks.logs; logs != nil {
		_ = logs.Wait(ctx, hookTime) // a Logger that hangs is counted
	}
}

// hooksHealth returns the failures of user code, by name; nil if there are none.
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
