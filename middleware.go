package gentask

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
)

// RunFunc runs a job in its task. The task ends with its result.
type RunFunc func(ctx context.Context, job Job[any]) (any, error)

// Middleware returns a RunFunc around the next one. It is called once, by [New].
//
// The RunFunc is called for each job, concurrently, in the job's task. It may return an error,
// panic or hang as the job itself may. It calls next once, with a context that derives from its
// own, or not at all to refuse the job.
type Middleware func(next RunFunc) RunFunc

// runKey is the context's key for the function that innermost calls.
type runKey struct{}

// errStrayContext is the reason of a job whose middleware has lost its context. Such a job could
// not be stopped.
var errStrayContext = errors.New("gentask: middleware called next with a context that does not derive from its own")

// innermost is the next RunFunc of the last middleware.
func innermost(ctx context.Context, _ Job[any]) (any, error) {
	run, ok := ctx.Value(runKey{}).(func(context.Context) (any, error))
	if !ok {
		return nil, errStrayContext
	}
	return run(ctx)
}

// wrap returns the chain of the middleware, the first one outermost; nil if there is none.
func wrap(all []Middleware) (RunFunc, error) {
	if len(all) == 0 {
		return nil, nil //nolint:nilnil // none is no error
	}
	var errs []error
	for i, m := range all {
		if m == nil {
			errs = append(errs, fmt.Errorf("%w: Policy.Middleware[%d] is nil; want a function", ErrConfig, i))
		}
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	h := RunFunc(innermost)
	for i := len(all) - 1; i >= 0; i-- {
		if h = all[i](h); h == nil {
			return nil, fmt.Errorf("%w: Policy.Middleware[%d] returned nil; want a RunFunc", ErrConfig, i)
		}
	}
	return h, nil
}

// LogRuns is a Middleware that logs the end of each run: at Info one that returned a value or an
// error, and at Warn, with the stack, one that panicked or called runtime.Goexit. The attributes
// are those of [Logger]. A run that hangs has no end; [EventStarted] and [EventDone] come for it as
// well. A panic goes on as an *actor.PanicError, with its first stack. Nil means slog.Default().
//
// The run waits at most a second for the logger. A logger that hangs or panics is counted in
// [Health.Hooks] as "LogRuns".
func LogRuns(logger *slog.Logger) Middleware {
	return func(next RunFunc) RunFunc {
		return func(ctx context.Context, job Job[any]) (value any, err error) {
			run := loggedRun{logger: cmp.Or(logger, slog.Default()), job: job, begin: time.Now()}
			returned := false
			defer func() {
				panicked := recover()
				reason := actor.Recovered(panicked, returned)
				run.log(ctx, reason, err)
				if panicked != nil {
					panic(reason)
				}
			}()
			value, err = next(ctx, job)
			returned = true
			return value, err
		}
	}
}

// loggedRun is a run that LogRuns logs.
type loggedRun struct {
	logger *slog.Logger
	job    Job[any]
	begin  time.Time
}

// log logs the end of the run: crash if it did not return, and otherwise err.
func (r *loggedRun) log(ctx context.Context, crash, err error) {
	e := r.job.entry
	attrs := slices.Concat(e.cfg.place, jobAttrs(e.delivery.ID, e.item.Attempt, e.trace()))
	attrs = append(attrs, slog.Duration("took", time.Since(r.begin)))
	ctx = context.WithoutCancel(ctx)
	// A failed call is counted.
	_, _ = guard.Call(ctx, e.cfg.hooks.logRuns, func(ctx context.Context) (struct{}, error) {
		switch {
		case crash != nil:
			r.logger.LogAttrs(ctx, slog.LevelWarn, "job did not return", append(attrs, failureAttrs(crash)...)...)
		case err != nil:
			r.logger.LogAttrs(ctx, slog.LevelInfo, "job failed", append(attrs, slog.Any(keyError, err))...)
		default:
			r.logger.LogAttrs(ctx, slog.LevelInfo, "job done", attrs...)
		}
		return struct{}{}, nil
	})
}

// DeadlineFrom returns a Middleware that sets a job's deadline from a header of its message, a time
// in RFC 3339. A job whose deadline is over is not run, or cancelled. It is dead-lettered with
// [ErrExpired], because another attempt would be too late as well.
//
// A job whose header is not a time is put off for nodes that can read it: see [Unknown]. A message
// without the header has no deadline.
func DeadlineFrom(header string) Middleware {
	return func(next RunFunc) RunFunc {
		return func(ctx context.Context, job Job[any]) (any, error) {
			text, ok := job.entry.delivery.Headers[header]
			if !ok {
				return next(ctx, job)
			}
			deadline, err := time.Parse(time.RFC3339, text)
			if err != nil {
				err = fmt.Errorf("gentask: header %q is %q; want a time in RFC 3339: %w", header, text, err)
				job.entry.setForeign(err) // a newer release may write it in another way
				return nil, DeadLetter(err)
			}
			return before(ctx, deadline, job, next)
		}
	}
}

// DeadlineFromExpiration is like [DeadlineFrom], for messages with a [queue.Properties.Expiration]:
// a job's deadline is that long after its message was published. A message without an expiration,
// or whose time of publishing is unknown, has no deadline.
func DeadlineFromExpiration() Middleware {
	return func(next RunFunc) RunFunc {
		return func(ctx context.Context, job Job[any]) (any, error) {
			expiration, published := job.Properties().Expiration, job.Published()
			if expiration <= 0 || published.IsZero() {
				return next(ctx, job)
			}
			return before(ctx, published.Add(expiration), job, next)
		}
	}
}

func before(ctx context.Context, deadline time.Time, job Job[any], next RunFunc) (any, error) {
	expiring, cancel := context.WithDeadlineCause(extensible{ctx}, deadline, ErrExpired)
	defer cancel()
	ctx = twoDeadlines{expiring, ctx}
	if context.Cause(ctx) == ErrExpired { //nolint:errorlint // the cause itself, and no error that wraps another's
		return nil, DeadLetter(fmt.Errorf("%w at %v, before it was run", ErrExpired, deadline))
	}
	value, err := next(ctx, job)
	if err != nil && context.Cause(ctx) == ErrExpired { //nolint:errorlint // likewise
		err = DeadLetter(fmt.Errorf("%w at %v: %w", ErrExpired, deadline, err))
	}
	return value, err
}

// extensible is the context of a job without the deadline of its task, which a decision [Extend]
// moves. Package context sets no timer for a deadline that is later than the one of its parent.
type extensible struct{ context.Context } //nolint:containedctx // it is one

// Deadline returns none.
func (extensible) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// twoDeadlines is a context with the earlier one of two deadlines.
type twoDeadlines struct {
	context.Context //nolint:containedctx // it is one
	task            context.Context
}

// Deadline returns the earlier deadline.
func (c twoDeadlines) Deadline() (deadline time.Time, ok bool) {
	deadline, _ = c.Context.Deadline()
	if at, ok := c.task.Deadline(); ok && at.Before(deadline) {
		return at, true
	}
	return deadline, true
}
