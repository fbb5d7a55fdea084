package gentask

import (
	"context"
	"reflect"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// Worker is the full behaviour, as in GenTask: a risky part, and what to make of its end. One value serves all jobs of a consumer, so its
// methods are called concurrently.
type Worker[J, R any] interface {
	// Run is the risky part. It executes in a task of its own, and may panic, call runtime.Goexit, or hang. ctx is cancelled when the job is to
	// stop; context.Cause(ctx) says why. Goroutines that it starts belong to the job if task.Go starts them.
	Run(ctx context.Context, payload J) (R, error)

	// HandleResult hears how the task ended, and decides what becomes of the delivery. After a Timeout the task still runs: Extend leaves it, any
	// other decision has it stopped first, and if a value comes out of it meanwhile, HandleResult hears that too, and decides anew. It must
	// return promptly. If it panics, the default policy decides, and the job is not run again here.
	HandleResult(job Job[J], o task.Outcome[R]) Decision
}

// Behavior is what a consumer does with a job. Make one with [Handle], [Work], [Batch], [Actor], [Mux] or
// [MuxKinds]. The zero value is one made of nothing, which New refuses.
type Behavior struct {
	// kernel is what workers of the library's own run.
	kernel kernel
	// props makes those of the user's; nil for none. It is called in the worker supervisor, immediately before each start of the worker.
	props func(e *entry) *actor.Props
	// mux has the behaviours of which this is made; nil for one that is itself.
	mux *mux
	// byDefault says that the default policy decides, whatever the outcome.
	byDefault bool
	// options are those of its kind; nil for none. settings.of finds the settings that they make by their address.
	options *KindOptions
	// check refuses a config that the behaviour can't live with; nil takes any.
	check func(*settings) error
}

// Handle makes a behaviour of one function. The payload is decoded into a J (see [Config.Decode]). An
// error, a panic, a Goexit or a timeout is tried again with back-off, and dead-lettered in the end; a
// [Decision] that f returns as its error decides instead: see [DefaultDecision].
func Handle[J any](f func(ctx context.Context, payload J) error) Behavior {
	if f == nil {
		return Behavior{}
	}
	return Behavior{byDefault: true, kernel: &functions[J, struct{}]{
		run: func(ctx context.Context, payload J) (struct{}, error) { return struct{}{}, f(ctx, payload) },
	}}
}

// Work makes a behaviour of a Worker.
func Work[J, R any](w Worker[J, R]) Behavior {
	if w == nil {
		return Behavior{}
	}
	return Behavior{kernel: &functions[J, R]{run: w.Run, handle: w.HandleResult}}
}

// Actor makes a behaviour of a props factory: the worker is an actor of the user's own. It runs the
// risky part with [ActorJob.Run], gets the *task.Outcome[any] as a message, and settles with
// [Job.Settle]. If it crashes it is started again, with a new actor for the same job, as often as
// [Config.Restarts] allows, and never while its old task still runs. If it ends without having settled,
// the default policy decides.
//
// Config.Timeout, or that of its kind, limits what the worker does without a task, too: from its start, and from the end
// of each task, it has that long to run a task, or to settle and end. A Timeout of its task wants
// an answer within the same time: task.Extend, task.Stop, or a settlement. A worker that is late is
// ended; its job has timed out with ErrWorkerIdle, an EventHealed is told, and the default policy
// decides. One that was told to stop has Config.Grace for that, and Consumer.Cancel ends one
// without a running task at once. A worker that crashes more often than Config.Restarts, though
// slowly, waits longer before each further restart: 100 ms, then twice as long each time.
//
// The factory may return Props of anybody's making. The worker supervisor waits for it, for 3 s at most, the decoding of the payload included.
// If it takes longer, panics or returns nil, that is a failed start.
func Actor[J any](props func(job ActorJob[J]) *actor.Props) Behavior {
	if props == nil {
		return Behavior{}
	}
	start := func(e *entry) *actor.Props {
		p, err := guard.Call(context.Background(), e.cfg.hooks.factory, func(context.Context) (*actor.Props, error) {
			payload, err := decode[J](e)
			if err != nil {
				return nil, err
			}
			return props(ActorJob[J]{Job[J]{entry: e, payload: payload}}), nil
		})
		switch {
		case e.marked(factUndecodable):
			return refuse(e, err)
		case err != nil:
			return crash(err)
		}
		return p
	}
	return Behavior{props: start}
}

// functions is a Worker in two functions; without handle, the default policy decides.
type functions[J, R any] struct {
	run    func(context.Context, J) (R, error)
	handle func(Job[J], task.Outcome[R]) Decision
}

// execute runs in the task. The decoded payload stays with the entry, for the decision.
func (f *functions[J, R]) execute(ctx context.Context, e *entry) (any, error) {
	payload, err := decode[J](e)
	if err != nil {
		return nil, err
	}
	e.keepPayload(payload)
	if e.cfg.runFunc == nil {
		return f.run(ctx, payload)
	}
	return f.within(ctx, e, payload)
}

// within runs it inside the middleware.
func (f *functions[J, R]) within(ctx context.Context, e *entry, payload J) (any, error) {
	return e.cfg.within(ctx, e, payload, func(ctx context.Context) (any, error) { return f.run(ctx, payload) })
}

// decode is the one place where the user decodes; a panic is a payload that can't be decoded.
func decode[J any](e *entry) (payload J, err error) {
	returned := false
	defer func() {
		value := recover()
		if value != nil {
			e.mark(factUndecodable) // unlike Goexit, which ends the task before anybody can tell why
		}
		if reason := actor.Recovered(value, returned); reason != nil {
			err = &DecodeError{Type: typeName[J](), Err: reason}
		}
	}()
	err = e.decode(&payload)
	returned = true
	if err != nil {
		e.mark(factUndecodable)
		err = &DecodeError{Type: typeName[J](), Err: guard.Seal(err)}
		if guard.Is(err, queue.ErrUnknown) {
			e.setForeign(err)
		}
	}
	return payload, err
}

// decide runs in the worker.
func (f *functions[J, R]) decide(e *entry, o *task.Outcome[any]) Decision {
	payload, decoded := e.keptPayload().(J)
	job := Job[J]{entry: e, payload: payload}
	typed := task.As[R](o)
	if f.handle == nil || (!decoded && e.marked(factUndecodable)) {
		return DefaultDecision(job, typed)
	}
	if o.Status != task.OK {
		typed.Reason = e.facts(o.Status).explain(o.Reason)
	}
	d := f.handle(job, typed)
	if _, settles := d.disposition(); settles || d.extends(o.Status) {
		return d
	}
	return DefaultDecision(job, typed)
}

// extends says whether the decision is an Extend that makes sense.
func (d Decision) extends(s task.Status) bool {
	return d.kind == decideExtend && d.after > 0 && s == task.Timeout
}

func typeName[J any]() string { return reflect.TypeFor[J]().String() }
