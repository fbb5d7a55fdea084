package task

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/cell"
	"github.com/gentask/gentask/internal/guard"
)

// Config configures a [Supervisor]. The zero value is ready to use.
type Config struct {
	// Name is the first part of the names of the supervisor's actors. Empty means "tasks".
	Name string

	// Partitions is how many actors share the work of supervising, so that it is no bottleneck.
	// Zero means GOMAXPROCS. The most is 65,536.
	Partitions int

	// MaxChildren is the most tasks that run at a time, except abandoned ones. Zero means no limit.
	MaxChildren int

	// MaxAbandoned is the most abandoned tasks that have not returned. While there are so many, no
	// task is started. Zero means no limit.
	MaxAbandoned int

	// Grace is the time of tasks to return, after their contexts are cancelled, when the supervisor
	// stops. Then they are abandoned. Zero means 5 s, a negative value abandons at once, [Forever]
	// never.
	Grace time.Duration

	// OnAbandoned is called with the number of abandoned tasks when it has changed, on a goroutine
	// of its own, one call at a time. Changes during a call are left out, but the last call has the
	// last number. A panic is recovered. A call that blocks holds up only further calls.
	OnAbandoned func(int)
}

// maxPartitions is the most partitions, because each is an actor.
const maxPartitions = 1 << 16

// defaultGrace is the default time of a task to return after its context is cancelled.
const defaultGrace = 5 * time.Second

// Supervisor spawns tasks and supervises them. Its methods are safe for concurrent use.
//
// It runs while the actor of its Props is alive, and again with the next one; otherwise no task is
// started. If one of its partitions crashes, it ends, and so do its tasks.
type Supervisor struct {
	cfg   Config
	count *counters
	life  atomic.Pointer[life]
	next  atomic.Uint64
}

// New returns a supervisor that is not running yet. Use [Supervisor.Start], or spawn
// [Supervisor.Props] in a tree of your own. It returns an error that wraps [ErrConfig] and names
// the field if cfg is wrong.
func New(cfg Config) (*Supervisor, error) {
	for _, f := range []struct {
		name  string
		value int
	}{{"Partitions", cfg.Partitions}, {"MaxChildren", cfg.MaxChildren}, {"MaxAbandoned", cfg.MaxAbandoned}} {
		if f.value < 0 {
			return nil, fmt.Errorf("%w: %s is %d; want 0 for the default, or more", ErrConfig, f.name, f.value)
		}
	}
	if cfg.Partitions > maxPartitions {
		return nil, fmt.Errorf("%w: Partitions is %d; want %d at most", ErrConfig, cfg.Partitions, maxPartitions)
	}
	if cfg.Name == "" {
		cfg.Name = "tasks"
	}
	if cfg.Partitions == 0 {
		cfg.Partitions = runtime.GOMAXPROCS(0)
	}
	if cfg.Grace == 0 {
		cfg.Grace = defaultGrace
	}
	count := &counters{maxChildren: cfg.MaxChildren, maxAbandoned: cfg.MaxAbandoned, onAbandoned: cfg.OnAbandoned}
	return &Supervisor{cfg: cfg, count: count}, nil
}

// Props returns Props for the supervisor's actor, for a tree of your own. One at a time may live; a
// second exits with [ErrRunning]. When it is stopped, it cancels the contexts of its tasks, waits
// for the grace, and abandons those that still run.
func (s *Supervisor) Props() *actor.Props {
	return actor.FromProducer(func() actor.Actor { return &hub{sup: s} })
}

// Start runs the supervisor at the root of sys, and returns when tasks can be started. Stop it with
// [Supervisor.Close]. It returns [ErrRunning] if the supervisor runs already. If ctx ends first it
// returns ctx.Err(), and the supervisor stops again.
func (s *Supervisor) Start(ctx context.Context, sys *actor.System) error {
	if s.life.Load() != nil {
		return ErrRunning
	}
	pid := actor.SpawnRoot(sys, s.Props(), s.cfg.Name)
	_, err := actor.Ask(ctx, sys, pid, func(answer func(struct{})) any { return &ping{answer} })
	if guard.Is(err, actor.ErrNoProcess) {
		return ErrRunning // another Start was faster
	}
	if err != nil {
		actor.Stop(sys, pid)
	}
	return err
}

// Close stops the supervisor, and returns when every task has returned or is abandoned. It does
// nothing to one that is not running. If ctx ends first it returns ctx.Err(), and the stop goes on.
func (s *Supervisor) Close(ctx context.Context) error {
	l := s.life.Load()
	if l == nil {
		return nil
	}
	_, err := actor.Shutdown(ctx, l.sys, l.hub)
	return err
}

// Stats are the counters of a supervisor since [New].
type Stats struct {
	// Running is how many tasks run now, except abandoned ones.
	Running int
	// Abandoned is how many abandoned tasks have not returned, including those that outlived their
	// supervisor.
	Abandoned int
	// Started is how many tasks were started.
	Started uint64
	// Late is how many results were dropped, because their tasks were abandoned or ignored.
	Late uint64
}

// Stats returns the counters, all at one moment. An abandoned task is counted before its owner gets
// the outcome.
func (s *Supervisor) Stats() Stats { return s.count.stats() }

// Spec describes a task of an actor.
type Spec struct {
	// Run is the risky code. Its context has the deadline that Timeout makes, and the cause of a
	// stop: see [context.Cause].
	Run func(ctx context.Context) (any, error)

	// Owner is the actor that gets the *Outcome[any].
	Owner *actor.PID

	// Name is shown in listings.
	Name string

	// Timeout is the time after which the owner gets a Timeout if the task still runs. Zero or
	// less, and [Forever], mean never.
	Timeout time.Duration

	// Parent is the parent of the task's context. Nil means context.Background().
	Parent context.Context //nolint:containedctx // handed over with the call, not kept
}

// Spawn starts a task for an actor, and doesn't block. The owner gets one *Outcome[any] with Exit
// or OK when the task has ended or was abandoned, even if the supervisor crashes. Each time that
// the task outlives its time it gets one with Timeout before. Spawn returns the errors of [Start];
// then the owner gets nothing.
func (s *Supervisor) Spawn(spec Spec) (*Task[any], error) {
	r := newRun(spec.Parent, spec.Run)
	r.owner, r.timeout, r.name = spec.Owner, spec.Timeout, spec.Name
	if parent, ok := spec.Parent.(cell.Parent[*Outcome[any]]); ok && spec.Owner == nil {
		r.listener = parent.TaskListener()
	}
	if err := s.start(r); err != nil {
		return nil, err
	}
	return &r.handle, nil
}

// start starts r in a share. After an error r has not begun, and can only be refused.
func (s *Supervisor) start(r *run) error {
	l := s.life.Load()
	if l == nil {
		return ErrClosed
	}
	if err := s.count.reserve(); err != nil {
		return err
	}
	r.id = s.next.Add(1)
	r.share = l.shares[r.id%uint64(len(l.shares))]
	r.started = r.share.now()
	if !r.share.admit(r) {
		s.count.refused()
		r.share = nil
		return ErrClosed
	}
	r.Start(r.share.sys, r.share.name, r)
	return nil
}
