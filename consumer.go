package gentask

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
)

// Consumer runs the jobs of one queue. Its methods are safe for concurrent use.
//
// It lives as a small supervision tree, made by Start at the root of a system, or by Props wherever it is to live: a supervisor that starts
// the ledger anew if it crashes, the ledger, and below that the supervisors of workers and tasks.
type Consumer struct {
	cfg      *settings
	source   queue.Source
	behavior Behavior
	events   feed
	gauges   gauges
	replay   *replay // nil when off
	health   atomic.Pointer[Health]

	mu   sync.Mutex
	life *life
}

// New returns a consumer that is not running yet. It returns an error that wraps ErrConfig, and says what is wrong and what would be right,
// if source or behavior is missing, or cfg makes no sense.
func New(source queue.Source, behavior Behavior, cfg Config) (*Consumer, error) {
	switch {
	case source == nil:
		return nil, fmt.Errorf("%w: source is nil; want a queue, for example embedded's Broker.Queue(name)", ErrConfig)
	case behavior.empty():
		return nil, fmt.Errorf("%w: behavior is empty; want one made by Handle, Work or Receive of something that is not nil", ErrConfig)
	}
	s, err := cfg.settings()
	if err != nil {
		return nil, err
	}
	if behavior.check != nil {
		if err := behavior.check(s); err != nil {
			return nil, err
		}
	}
	return &Consumer{cfg: s, source: source, behavior: behavior, events: feed{hook: s.OnEvent}, replay: newReplay(s.Policy.Replay)}, nil
}

// Run consumes until ctx ends, and then drains. It returns nil when the consumer was drained, however the running jobs ended, and otherwise why
// it could not go on: an error that wraps ErrConfig, queue.ErrConfig (the broker refuses what was asked for; only before the first session),
// or supervision.ErrIntensity.
func Run(ctx context.Context, source queue.Source, behavior Behavior, cfg Config) error {
	c, err := New(source, behavior, cfg)
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		_, err = c.Stop(context.WithoutCancel(ctx))
		return err
	case <-c.Done():
		return c.Err()
	}
}

// Props makes the consumer's tree, for whoever wants it in a tree of his own; it fits supervision.ChildSpec.Props. Told to stop, the tree
// drains the consumer, so it wants a Shutdown of more than DrainTimeout and Grace, or supervision.Infinity. One tree of a consumer may live at
// a time.
func (c *Consumer) Props() *actor.Props {
	l := newLife(c)
	c.mu.Lock()
	c.life = l
	c.mu.Unlock()
	return l.props()
}

// Start spawns the consumer at the root of Config.System and returns at once: see Health for how it gets on. It returns ErrRunning if the
// consumer runs.
func (c *Consumer) Start() error {
	c.mu.Lock()
	if c.life != nil && !c.life.over() {
		c.mu.Unlock()
		return ErrRunning
	}
	l := newLife(c)
	l.starting = make(chan struct{})
	c.life = l
	c.mu.Unlock()
	sys := c.cfg.System
	if sys == nil {
		sys = actor.NewSystem(actor.SystemConfig{Logger: c.cfg.Logger})
	}
	actor.SpawnRoot(sys, l.props(), c.cfg.Name)
	return nil
}

// current returns the life that was started last; nil before the first.
func (c *Consumer) current() *life {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life
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
	l := c.current()
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Stop drains the consumer: it takes no more, gives back what has not been started, lets running jobs finish for Config.DrainTimeout, or as
// long as ctx leaves beside the grace, cancels the rest, and closes the session when everything is settled. It returns the report when all of
// the consumer is gone. If ctx ends first it returns ctx.Err(), and the drain goes on. A second Stop joins the first. Stopping a consumer that
// is not running does nothing. From inside a job of the same consumer, whose end the drain waits for, Stop starts the drain and returns at once
// with an empty report.
func (c *Consumer) Stop(ctx context.Context) (Report, error) {
	l := c.current()
	if l == nil {
		return Report{}, nil
	}
	return l.stop(ctx)
}

// Pause makes the consumer take no more work, from now on: what has not been started goes back to the queue, what runs goes on. It lasts until
// Resume, or the consumer's end. It returns ErrNotRunning or ctx.Err().
func (c *Consumer) Pause(ctx context.Context) error {
	return c.ask(ctx, func(answer func(error)) any { return &pauseRequest{on: true, answer: answer} })
}

// Resume undoes Pause.
func (c *Consumer) Resume(ctx context.Context) error {
	return c.ask(ctx, func(answer func(error)) any { return &pauseRequest{answer: answer} })
}

// Cancel stops the job with this message ID: see Job.Cancel. A job that waits for its slot is never run; its worker hears the cancellation when
// its turn comes. It returns ErrUnknownJob if no such delivery is held here, ErrNotRunning or ctx.Err().
func (c *Consumer) Cancel(ctx context.Context, id string) error {
	return c.ask(ctx, func(answer func(error)) any { return &cancelRequest{id: id, answer: answer} })
}

// Jobs describes what the consumer holds and runs, in the order in which it came. It returns ErrNotRunning or ctx.Err().
func (c *Consumer) Jobs(ctx context.Context) ([]JobStatus, error) {
	return askLedger(ctx, c.current(), func(answer func([]JobStatus)) any { return &statusRequest{answer: answer} })
}

// Health says how the consumer is. It doesn't block.
func (c *Consumer) Health() Health {
	h := c.health.Load()
	if h == nil {
		return Health{}
	}
	now := *h
	now.Running, now.Held = int(c.gauges.running.Load()), int(c.gauges.held.Load())
	return now
}

func (c *Consumer) ask(ctx context.Context, request func(answer func(error)) any) error {
	err, askErr := askLedger(ctx, c.current(), request)
	if askErr != nil {
		return askErr
	}
	return err
}

func askLedger[T any](ctx context.Context, l *life, request func(answer func(T)) any) (T, error) {
	var none T
	if l == nil {
		return none, ErrNotRunning
	}
	if l.starting != nil {
		select {
		case <-l.starting:
		case <-ctx.Done():
			return none, ctx.Err()
		}
	}
	pid, sys := l.ledger.Load(), l.sys.Load()
	if pid == nil {
		return none, ErrNotRunning
	}
	a, err := actor.Ask(ctx, sys, pid, request)
	if errors.Is(err, actor.ErrNoProcess) {
		err = ErrNotRunning
	}
	return a, err
}
