package gentask

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// Worker is the full behaviour, as in GenTask: Run is the risky part, and HandleResult decides what
// its end means. One value serves all jobs of a consumer, so its methods are called concurrently.
type Worker[J, R any] interface {
	// Run does the job. It is called in a task of its own, and may panic, call runtime.Goexit, or
	// hang. The context is cancelled when the job must stop; context.Cause(ctx) returns the reason.
	// The goroutines of a job must be started by [task.Go] to belong to it.
	Run(ctx context.Context, payload J) (R, error)

	// HandleResult is called with the outcome of the task, and decides what becomes of the
	// delivery. After a Timeout the task still runs: [Extend] leaves it running, and any other
	// decision stops it first. If the task returns a value meanwhile, HandleResult is called again
	// with that, and its new decision counts. It must return promptly. If it panics, the default
	// policy decides, and the job is not run again here.
	HandleResult(job Job[J], o task.Outcome[R]) Decision
}

// Behavior defines how a consumer does a job. Make one with [Handle], [Work], [Batch], [Actor],
// [Mux] or [MuxKinds]. The zero value, which these return if they are given nothing, is rejected by
// [New].
type Behavior struct {
	// kernel is run by the library's own workers.
	kernel kernel
	// props returns the props of the workers that the user wrote; nil if there are none. It is
	// called in the worker supervisor, immediately before each start of the worker.
	props func(e *entry) *actor.Props
	// mux holds the behaviours of which this one is made; nil if it is made of none.
	mux *mux
	// batched reports whether its jobs are handled in batches.
	batched bool
	// byDefault reports whether the default policy decides each outcome.
	byDefault bool
	// resources are what it needs while it runs, without those of the behaviours in mux.
	resources []Resource
	// options are those of its kind; nil if there are none. settings.of finds the settings made
	// with them by their address.
	options *KindOptions
	// check returns why a config does not fit the behaviour; nil fits any.
	check func(*settings) error
}

// Handle returns a behaviour of one function. The payload is decoded into a J (see
// [Config.Decode]). After an error, a panic, a Goexit or a timeout, the job is tried again with
// back-off, and dead-lettered in the end. A [Decision] that f returns as its error decides instead:
// see [DefaultDecision].
func Handle[J any](f func(ctx context.Context, payload J) error) Behavior {
	if f == nil {
		return Behavior{}
	}
	return Behavior{byDefault: true, kernel: &functions[J, struct{}]{
		run: func(ctx context.Context, payload J) (struct{}, error) { return struct{}{}, f(ctx, payload) },
	}}
}

// Work returns a behaviour of a [Worker].
func Work[J, R any](w Worker[J, R]) Behavior {
	if w == nil {
		return Behavior{}
	}
	return Behavior{kernel: &functions[J, R]{run: w.Run, handle: w.HandleResult}}
}

// Actor returns a behaviour of a props factory: the worker is an actor that the user wrote. It runs
// the risky part with [ActorJob.Run], gets the *task.Outcome[any] as a message, and settles with
// [Job.Settle]. If the worker crashes, it is restarted, with a new actor for the same job. That
// happens as often as [Config.Restarts] allows, and never while its old task still runs. If the
// worker ends without having settled, the default policy decides.
//
// [Config.Timeout], or [KindOptions.Timeout], also limits how long the worker may do without a
// task. From its start, and from the end of each task, it has that long to run a task, or to settle
// and end. After a Timeout of its task, the worker must answer within the same time: by
// task.Extend, task.Stop, or a settlement. A late worker is ended: its job has timed out with
// [ErrWorkerIdle], an [EventHealed] is emitted, and the default policy decides. A worker whose job
// was stopped has [Config.Grace] to settle and end. [Consumer.Cancel] ends a worker without a
// running task at once. A worker that crashes more often than [Config.Restarts], though slowly,
// waits longer before each further restart: 100 ms, then twice as long each time.
//
// The factory may return any Props. The worker supervisor waits for it, and for the decoding of the
// payload, for 3 s at most. If the factory takes longer, panics or returns nil, the start has
// failed.
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

// With returns the behaviour with a resource that it needs. A nil resource changes nothing. A [Mux]
// has the resources of its kinds.
func (b Behavior) With(r Resource) Behavior {
	if r == nil || b.empty() {
		return b
	}
	b.resources = append(slices.Clip(b.resources), r)
	before := b.check
	b.check = func(s *settings) error {
		var errs []error
		if before != nil {
			errs = append(errs, before(s))
		}
		if err := r.Check(s.resourceUser()); err != nil {
			errs = append(errs, fmt.Errorf("%w: %w", ErrConfig, err))
		}
		return errors.Join(errs...)
	}
	return b
}

// needs returns the resources of the behaviour and of its kinds.
func (b Behavior) needs() []Resource {
	all := b.resources
	if b.mux != nil {
		all = slices.Clone(all)
		for _, name := range b.mux.names() {
			all = append(all, b.mux.kinds[name].needs()...)
		}
	}
	return all
}

// functions is a Worker in two functions. If handle is nil, the default policy decides.
type functions[J, R any] struct {
	run    func(context.Context, J) (R, error)
	handle func(Job[J], task.Outcome[R]) Decision
}

// execute is called in the task. The entry keeps the decoded payload for the decision.
func (f *functions[J, R]) execute(ctx context.Context, e *entry) (any, error) {
	payload, err := decode[J](e)
	if err != nil {
		return nil, err
	}
	e.keepPayload(payload)
	if e.cfg.runFunc == nil {
		return f.plain(ctx, e, payload)
	}
	return f.within(ctx, e, payload)
}

// plain runs the job, without the middleware.
func (f *functions[J, R]) plain(ctx context.Context, e *entry, payload J) (any, error) {
	result, err := f.run(ctx, payload)
	if err != nil {
		if _, is := any(payload).(Raw); is {
			decodedElsewhere(e, err)
		}
	}
	return result, err
}

// within runs the job inside the middleware.
func (f *functions[J, R]) within(ctx context.Context, e *entry, payload J) (any, error) {
	return e.cfg.within(ctx, e, payload, func(ctx context.Context) (any, error) { return f.plain(ctx, e, payload) })
}

// decode is the only caller of [Config.Decode]. A panic in it means that the payload can't be
// decoded.
func decode[J any](e *entry) (payload J, err error) {
	returned := false
	defer func() {
		value := recover()
		if value != nil {
			e.mark(factUndecodable) // unlike Goexit, which ends the task with no reason left
		}
		if reason := actor.Recovered(value, returned); reason != nil {
			err = &DecodeError{Type: typeName[J](), Err: reason}
		}
	}()
	if !raw(&e.delivery.Message, &payload) {
		err = e.decode(&payload)
	}
	returned = true
	if err != nil {
		err = &DecodeError{Type: typeName[J](), Err: guard.Seal(err)}
		noteUndecodable(e, err)
	}
	return payload, err
}

// noteUndecodable notes that the payload can't be decoded.
func noteUndecodable(e *entry, err error) {
	e.mark(factUndecodable)
	if guard.Is(err, queue.ErrUnknown) {
		e.setForeign(err)
	}
}

// decodedElsewhere notes that a Raw payload can't be decoded, if err is an error that means it.
func decodedElsewhere(e *entry, err error) {
	if _, is := err.(*DecodeError); is { //nolint:errorlint // of this job, not one that it wraps
		noteUndecodable(e, err)
	}
}

// decide is called in the worker.
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

// extends reports whether the decision is an Extend that makes sense.
func (d Decision) extends(s task.Status) bool {
	return d.kind == decideExtend && d.after > 0 && s == task.Timeout
}

func typeName[J any]() string { return reflect.TypeFor[J]().String() }
