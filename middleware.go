package gentask

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Handler runs a job in its task. What it returns is how the task ends.
type Handler func(ctx context.Context, job Job[any]) (any, error)

// Middleware makes a Handler of the next one. It is called once, by New; the Handler is called for each job, concurrently, in the job's task: it
// may return an error, panic or hang as the job itself may. It calls next with a context that derives from its own, once, or, to refuse the
// job, not at all.
type Middleware func(next Handler) Handler

// runKey is the context's key for what the innermost Handler calls.
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
func wrap(all []Middleware) (Handler, error) {
	if len(all) == 0 {
		return nil, nil //nolint:nilnil // none is no error
	}
	h := Handler(innermost)
	for i := len(all) - 1; i >= 0; i-- {
		if all[i] == nil {
			return nil, fmt.Errorf("%w: Policy.Middleware[%d] is nil; want a function", ErrConfig, i)
		}
		if h = all[i](h); h == nil {
			return nil, fmt.Errorf("%w: Policy.Middleware[%d] returned nil; want a Handler", ErrConfig, i)
		}
	}
	return h, nil
}

// within calls run as the middleware has it; there must be one.
func (e *entry) within(ctx context.Context, payload any, run func(context.Context) (any, error)) (any, error) {
	return e.cfg.handler(context.WithValue(ctx, runKey{}, run), Job[any]{entry: e, payload: payload})
}

// LogRuns is a Middleware that logs each run: at Info what returned a value, at Warn what returned an error. Runs that panic, or that are abandoned,
// it doesn't see return; Config.OnEvent tells of every end.
func LogRuns(logger *slog.Logger) Middleware {
	return func(next Handler) Handler {
		return func(ctx context.Context, job Job[any]) (any, error) {
			begin := time.Now()
			value, err := next(ctx, job)
			log := logger.With("id", job.ID(), "attempt", job.Attempt(), "took", time.Since(begin))
			if err != nil {
				log.WarnContext(ctx, "job failed", "reason", err)
			} else {
				log.InfoContext(ctx, "job done")
			}
			return value, err
		}
	}
}

// DeadlineFrom is a Middleware that gives a job the deadline that stands in a header of its message, as a time in RFC 3339. A job whose deadline is
// over is not run, or cancelled, and is dead-lettered with ErrExpired: it would be too late the next time, too. So is one whose header is no
// time. A message without the header has no deadline.
func DeadlineFrom(header string) Middleware {
	return func(next Handler) Handler {
		return func(ctx context.Context, job Job[any]) (any, error) {
			text, ok := job.entry.delivery.Headers[header]
			if !ok {
				return next(ctx, job)
			}
			deadline, err := time.Parse(time.RFC3339, text)
			if err != nil {
				return nil, Permanent(fmt.Errorf("gentask: header %q is %q; want a time in RFC 3339: %w", header, text, err))
			}
			return before(ctx, deadline, job, next)
		}
	}
}

func before(ctx context.Context, deadline time.Time, job Job[any], next Handler) (any, error) {
	ctx, cancel := context.WithDeadlineCause(ctx, deadline, ErrExpired)
	defer cancel()
	if errors.Is(context.Cause(ctx), ErrExpired) {
		return nil, Permanent(fmt.Errorf("%w at %v, before it was run", ErrExpired, deadline))
	}
	value, err := next(ctx, job)
	if err != nil && errors.Is(context.Cause(ctx), ErrExpired) {
		err = Permanent(fmt.Errorf("%w at %v: %w", ErrExpired, deadline, err))
	}
	return value, err
}
