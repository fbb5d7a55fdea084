package isolate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/isolate/internal/wire"
	"github.com/gentask/gentask/supervision"
)

// pool is the children of one behaviour. It is there while a consumer of it runs, and implements
// [gentask.Resource]. Its slots are under a supervisor.
type pool struct {
	name   string
	given  Config
	unfit  error // of the registration
	lender lender

	program program
	single  bool // a process for each job: it has no children

	mu    sync.Mutex
	users int
	life  *life // nil while there is no user
}

// life is what a pool has while it is used.
type life struct {
	cfg    Config // with the defaults for the first user
	log    *slog.Logger
	system *actor.System
	root   *actor.PID
	warden *warden
	watch  *watch
}

// startBackoff spaces starts that fail.
var startBackoff = supervision.Backoff{Base: 100 * time.Millisecond, Max: 10 * time.Second, Jitter: 0.2}

// Check implements [gentask.Resource].
func (p *pool) Check(user gentask.ResourceUser) error {
	return errors.Join(p.unfit, supported(), mainWasCalled(), p.given.check(user))
}

// Open implements [gentask.Resource]: it begins to start the children.
func (p *pool) Open(user gentask.ResourceUser) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users++; p.users > 1 {
		return
	}
	p.lender.begin()
	p.life = p.begin(p.given.orDefaults(user), user.Logger)
}

// Close implements [gentask.Resource]: it ends the children with the last user.
func (p *pool) Close() {
	p.mu.Lock()
	p.users--
	l, last := p.life, p.users == 0
	if last {
		p.life = nil
	}
	p.mu.Unlock()
	if last {
		l.end()
	}
}

// begin starts the slots.
func (p *pool) begin(cfg Config, log *slog.Logger) *life {
	l := &life{
		cfg: cfg, log: log, warden: newWarden(log), watch: newWatch(cfg),
		system: actor.NewSystem(actor.SystemConfig{Logger: log}),
	}
	spec := supervision.Spec{Intensity: supervision.Intensity{Restarts: supervision.Unlimited}, Backoff: startBackoff}
	if p.single {
		return l
	}
	for i := range cfg.Children {
		s := &slot{pool: p, life: l}
		spec.Children = append(spec.Children, supervision.ChildSpec{
			ID: strconv.Itoa(i), Props: supervision.Func(s.run), Shutdown: supervision.Infinity,
		})
	}
	props, err := supervision.Static(spec)
	if err != nil {
		panic(err) // the spec does not depend on the user
	}
	l.root = actor.SpawnRoot(l.system, props, "isolate")
	return l
}

// end ends all children, and returns when they are gone.
func (l *life) end() {
	if l.root != nil {
		_, _ = actor.Shutdown(context.Background(), l.system, l.root) // every child is killed in the end
	}
	l.watch.end()
	l.warden.end()
}

// lives returns the life of a pool, while a job of it runs.
func (p *pool) lives() *life {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life
}

// newProcess returns a child that is to be started.
func (l *life) newProcess(what program) *process {
	return &process{
		cfg: l.cfg, program: what, calls: map[uint32]*call{}, born: time.Now(), hello: make(chan wire.Hello, 1),
		dying: make(chan struct{}), gone: make(chan struct{}),
	}
}

// spawn starts a child.
func (l *life) spawn(what program) (*process, error) {
	child := l.newProcess(what)
	if err := child.launch(l.warden); err != nil {
		return nil, fmt.Errorf("isolate: can't start a child: %w", err)
	}
	l.watch.add(child)
	return child, nil
}

// buried is called when a child is over.
func (l *life) buried(child *process) {
	l.watch.remove(child)
	if err := child.leaf.remove(); err != nil {
		l.log.Warn("isolate: can't remove the cgroup of a dead child", "error", err)
	}
	l.warden.forget(child.proc.Pid)
}

// maxMoves is how many children may die before they take the same job.
const maxMoves = 10

// run runs a job in a child. The task is a body of a wire.KindRun.
func (p *pool) run(ctx context.Context, task []byte, note func(wire.Frame)) (wire.Result, error) {
	for range maxMoves {
		child, err := p.lender.take(ctx)
		if err != nil {
			return wire.Result{}, err
		}
		result, err := child.do(ctx, task, note)
		p.giveBack(child)
		if !guard.Is(err, errNotStarted) {
			return result, err
		}
	}
	return wire.Result{}, startError(errNotStarted, time.Second)
}

// giveBack gives a child back that a job has had, unless it has served enough. One that was told to
// end, and has not, is killed.
func (p *pool) giveBack(child *process) {
	if child.over() {
		child.kill(nil)
		return
	}
	if child.stale() && child.retire() {
		return
	}
	p.lender.give(child)
}

// A child is told what it is, and its limits, in its environment.
const (
	envRole    = "GENTASK_ISOLATE"
	envFiles   = "GENTASK_ISOLATE_FILES"
	envSeveral = "GENTASK_ISOLATE_SEVERAL"
	envReply   = "GENTASK_ISOLATE_REPLY"
	roleChild  = "child"
)

// environment returns that of the children.
func (c Config) environment() []string {
	env := c.Env
	if env == nil {
		env = os.Environ()
	}
	ours := []string{envRole + "=" + roleChild, envReply + "=" + strconv.Itoa(c.MaxReply)}
	if c.PerChild > 1 {
		ours = append(ours, envSeveral+"=1")
	}
	if c.Memory > 0 {
		ours = append(ours, "GOMEMLIMIT="+strconv.FormatUint(c.Memory/10*9, 10))
	}
	if c.Files > 0 {
		ours = append(ours, envFiles+"="+strconv.FormatUint(c.Files, 10))
	}
	return overlay(env, ours...)
}
