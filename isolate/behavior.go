package isolate

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/isolate/internal/wire"
	"github.com/gentask/gentask/task"
)

// Worker is a [gentask.Worker] whose Run is called in a child, and whose HandleResult in the
// parent.
type Worker[J, R any] interface {
	// Run does the job, in a child. It may do anything to its process. The context is cancelled
	// when the job must stop: see [Config.Grace]. The result crosses to the parent: bytes and text
	// as they are, others as JSON.
	Run(ctx context.Context, payload J) (R, error)

	// HandleResult is that of gentask.Worker. The parent has not decoded the payload. It is not
	// called if the child could not either: the default policy decides.
	HandleResult(job gentask.Job[gentask.Raw], o task.Outcome[R]) gentask.Decision
}

// Handle returns a behaviour of one function that is called in a child, like [gentask.Handle]. The
// name identifies the function in the child. No other may have it in this program. Handle must be
// called before [Main], in each run of the program. Mistakes are errors of [gentask.New]. Consumers
// of the same behaviour share its children, and should have the same Grace: that of the first
// counts.
func Handle[J any](name string, f func(ctx context.Context, payload J) error, cfg Config) gentask.Behavior {
	if f == nil {
		return gentask.Behavior{}
	}
	p := offer(name, cfg, func(ctx context.Context, payload J) (struct{}, error) { return struct{}{}, f(ctx, payload) })
	run := runner[struct{}](p)
	return gentask.Handle(func(ctx context.Context, _ gentask.Raw) error {
		_, err := run(ctx)
		return err
	}).With(p)
}

// Work returns a behaviour of a [Worker], like [gentask.Work]. See [Handle] for the name.
func Work[J, R any](name string, w Worker[J, R], cfg Config) gentask.Behavior {
	if w == nil {
		return gentask.Behavior{}
	}
	p := offer(name, cfg, w.Run)
	return gentask.Work(&worker[J, R]{run: runner[R](p), handle: w.HandleResult}).With(p)
}

// worker is the half of a Worker that stays in the parent.
type worker[J, R any] struct {
	run    func(ctx context.Context) (R, error)
	handle func(gentask.Job[gentask.Raw], task.Outcome[R]) gentask.Decision
}

// Run implements [gentask.Worker].
func (w *worker[J, R]) Run(ctx context.Context, _ gentask.Raw) (R, error) { return w.run(ctx) }

// HandleResult implements gentask.Worker.
func (w *worker[J, R]) HandleResult(job gentask.Job[gentask.Raw], o task.Outcome[R]) gentask.Decision {
	if _, undecodable := guard.As[*gentask.DecodeError](o.Reason); undecodable {
		return gentask.Decision{}
	}
	if guard.Is(o.Reason, ErrStart) {
		return gentask.Decision{} // there was no run: the Snooze in it decides
	}
	return w.handle(job, o)
}

// offer registers a function, and returns the pool for it.
func offer[J, R any](name string, cfg Config, run func(context.Context, J) (R, error)) *pool {
	return &pool{name: name, given: cfg, unfit: register(name, inChild(cfg, run))}
}

// runner returns what the task of a job does in the parent: it runs the job in a child.
func runner[R any](p *pool) func(ctx context.Context) (R, error) {
	known := p.given.known()
	return func(ctx context.Context) (value R, err error) {
		job, _ := gentask.FromContext(ctx)
		task := taskOf(ctx, p.name, job)
		body := bodies.of(&task)
		result, err := p.run(ctx, *body, func(f wire.Frame) { p.given.note(ctx, job, f) })
		bodies.giveBack(body)
		if err != nil {
			return value, err
		}
		if result.Ending == wire.Returned {
			if err = decodeValue(result.Value, &value); err != nil {
				err = fmt.Errorf("isolate: the result of function %q: %w", p.name, err)
			}
			return value, err
		}
		return value, failure(&result, known)
	}
}

// taskOf returns the job as a child gets it.
func taskOf(ctx context.Context, name string, job gentask.Job[any]) wire.Task {
	t := wire.Task{Name: name, Attempt: job.Attempt(), Redelivered: job.Redelivered(), Message: job.Message()}
	if deadline, ok := ctx.Deadline(); ok {
		t.Left = max(time.Until(deadline), 1)
	}
	return t
}

// note passes on what a job writes while it runs.
func (c Config) note(ctx context.Context, job gentask.Job[any], f wire.Frame) {
	switch {
	case f.Kind == wire.KindLog:
		logTo(ctx, gentask.Logger(ctx), f.Body)
	case c.OnProgress != nil:
		c.OnProgress(Report{JobID: job.ID(), Attempt: job.Attempt(), Data: f.Body})
	}
}

// failure returns the error that a function has ended with. It panics if the function did.
func failure(r *wire.Result, known []error) error {
	switch r.Ending {
	case wire.Panicked:
		panic(actor.PanickedElsewhere(r.Text, r.Stack))
	case wire.Exited:
		panic(actor.ExitedElsewhere(r.Stack))
	case wire.Undecodable:
		return &gentask.DecodeError{Type: r.Type, Err: remote(r, known)}
	case wire.Returned, wire.Failed:
	}
	return remote(r, known)
}

// remote returns the error of a child.
func remote(r *wire.Result, known []error) *Error {
	e := &Error{Text: r.Text, Type: r.Type, stack: r.Stack}
	for i, k := range known {
		if r.Marks&(1<<i) != 0 {
			e.known = append(e.known, k)
		}
	}
	var d gentask.Decision
	if r.Decision != "" && d.UnmarshalText([]byte(r.Decision)) == nil {
		e.known = append(e.known, d)
	}
	return e
}

// inChild returns a function as a child runs it.
func inChild[J, R any](cfg Config, run func(context.Context, J) (R, error)) function {
	known := cfg.known()
	return func(ctx context.Context, t *wire.Task, reply func(wire.Result)) {
		result, returned := wire.Result{}, false
		defer func() {
			if reason := actor.Recovered(recover(), returned); reason != nil {
				result = crashed(reason)
			}
			reply(result)
		}()
		result = runHere(ctx, cfg, t, run, known)
		returned = true
	}
}

// runHere decodes the payload and runs the function.
func runHere[J, R any](
	ctx context.Context, cfg Config, t *wire.Task, run func(context.Context, J) (R, error), known []error,
) wire.Result {
	var payload J
	if err := contained(func() error { return cfg.decode(&t.Message, &payload) }); err != nil {
		r := failed(err, known)
		r.Ending, r.Type = wire.Undecodable, fmt.Sprintf("%T", payload)
		return r
	}
	value, err := run(ctx, payload)
	if err != nil {
		return failed(err, known)
	}
	data, err := encode(value)
	if err != nil {
		return failed(fmt.Errorf("isolate: the result can't cross to the parent: %w", err), known)
	}
	return wire.Result{Ending: wire.Returned, Value: data}
}

// contained calls a function that may panic.
func contained(f func() error) (err error) {
	returned := false
	defer func() {
		if reason := actor.Recovered(recover(), returned); reason != nil {
			err = reason
		}
	}()
	err = f()
	returned = true
	return err
}

// failed returns an error as it crosses to the parent.
func failed(err error, known []error) wire.Result {
	sealed := guard.Seal(err)
	r := wire.Result{
		Ending: wire.Failed, Text: sealed.Error(), Type: fmt.Sprintf("%T", err), Stack: guard.Stack(sealed),
	}
	for i, k := range known {
		if guard.Is(sealed, k) {
			r.Marks |= 1 << i
		}
	}
	if d, is := guard.As[gentask.Decision](sealed); is {
		r.Decision = d.String()
	}
	return r
}

// crashed returns the result of a function that did not return.
func crashed(reason error) wire.Result {
	r := wire.Result{Ending: wire.Exited, Stack: actor.Stack(reason)}
	if p, panicked := reason.(*actor.PanicError); panicked { //nolint:errorlint // the reason itself
		r.Ending, r.Text = wire.Panicked, cutPanic(p.Error())
	}
	return r
}

// cutPanic returns the text of a panic's value.
func cutPanic(text string) string { return text[len("panic: "):] }
