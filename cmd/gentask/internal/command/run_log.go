package command

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/isolate"
)

// logHandler returns the log of a command that consumes. Both formats escape what a terminal would
// act on.
func logHandler(w io.Writer, asJSON bool, level slog.Level) slog.Handler {
	options := &slog.HandlerOptions{Level: level}
	if asJSON {
		return silent{slog.NewJSONHandler(w, options)}
	}
	return silent{slog.NewTextHandler(w, options)}
}

// silent leaves out the records of actor systems, which say nothing to a user of the command.
type silent struct{ slog.Handler }

// Handle implements slog.Handler.
func (s silent) Handle(ctx context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "actor system") {
		return nil
	}
	return s.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (s silent) WithAttrs(attrs []slog.Attr) slog.Handler { return silent{s.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (s silent) WithGroup(name string) slog.Handler { return silent{s.Handler.WithGroup(name)} }

// telling is a middleware that logs the last output of a program that has failed. The job's log is
// kept in its dead letter.
func telling(next gentask.RunFunc) gentask.RunFunc {
	return func(ctx context.Context, job gentask.Job[any]) (any, error) {
		result, err := next(ctx, job)
		var crash *isolate.CrashError
		if errors.As(err, &crash) && crash.Stderr != "" {
			gentask.Logger(ctx).InfoContext(ctx, "output of the program", "output", crash.Stderr)
		}
		return result, err
	}
}
