package gentask

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
)

// RunFunc runs a job in its task. What it returns is how the task ends.
type RunFunc func(ctx context.Context, job Job[any]) (any, error)

// Middleware makes a RunFunc of the next one. It is called once, by New; the RunFunc is called for each job, concurrently, in the job's task: it
// may return an error, panic or hang as the job itself may. It calls next with a context that derives from its own, once, or, to refuse the
// job, not at all.
type Middleware func(next RunFunc) RunFunc

// runKey is the context's key for what the innermost RunFunc calls.
type runKey struct{}

// errStrayContext is the reason of a job whose middleware has lost its context: the job could not be told to stop.
var errStrayContext = errors.New("gentask: middleware called next with a context that does not derive from its own")

// innermost is what the last middleware calls.
func innermost(ctx context.Context, _ Job[any]) (any, error) {
	run, ok := ctx.Value(runKey{}).(func(context.Context) (any, error))
	if !ok {
		return nil, errStrayContext
	}
	return run(ctx)
}

// wrap builds the middleware, the first outermost. It returns nil for none.
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

// within calls run as the middleware has it; there must be one.
func (e *entry) within(ctx context.Context, payload any, run func(context.Context) (any, error)) (any, error) {
	return e.cfg.runFunc(context.WithValue(ctx, runKey{}, run), Job[any]{entry: e, payload: payload})
}

// LogRuns is a Middleware that logs the end of each run: at Info one that returned a value, at Warn one
// that returned an error, at Error, with the stack, one that panicked or called runtime.Goexit. A run
// that hangs has no end; [EventStarted] and [EventDone] come for it as well. A panic goes on as an
// *actor.PanicError, with its first stack. Nil means slog.Default().
//
// The run waits for the logger for a second at the most. One that hangs or panics is counted in Health.Hooks as "LogRuns".
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
	attrs := []slog.Attr{
		slog.String("id", r.job.ID()), slog.Int("attempt", r.job.Attempt()), slog.Duration("took", time.Since(r.begin)),
	}
	ctx = context.WithoutCancel(ctx)
	_, _ = guard.Call(ctx, r.job.entry.cfg.hooks.logRuns, func(ctx context.Context) (struct{}, error) { // in vain: it is counted
		switch {
		case crash != nil:
			attrs = append(attrs, slog.Any("reason", crash), slog.Any("stack", stackOf{crash}))
			r.logger.LogAttrs(ctx, slog.LevelError, "job did not return", attrs...)
		case err != nil:
			r.logger.LogAttrs(ctx, slog.LevelWarn, "job failed", append(attrs, slog.Any("reason", err))...)
		default:
			r.logger.LogAttrs(ctx, slog.LevelInfo, "job done", attrs...)
		}
		return struct{}{}, nil
	})
}

// DeadlineFrom is a Middleware that gives a job the deadline that stands in a header of its
// message, as a time in RFC 3339. A job whose deadline is over is not run, or cancelled, and is
// dead-lettered with ErrExpired: it would be too late the next time, too. One whose header is no
// time is put off for nodes that can read it: see Unknown. A message without the header has no
// deadline.
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

// twoDeadlines has the earlier deadline of two.
type twoDeadlines struct {
	context.Context //nolint:containedctx // it is one
	task            context.Context
}

// Deadline returns the earlier one.
func (c twoDeadlines) Deadline() (deadline time.Time, ok bool) {
	deadline, _ = c.Context.Deadline()
	if at, ok := c.task.Deadline(); ok && at.Before(deadline) {
		return at, true
	}
	return deadline, true
}
