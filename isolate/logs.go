package isolate

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/isolate/internal/wire"
)

// logHandler is that of slog.Default in a child. Its records go to the parent, which logs them with
// [gentask.Logger] of the job. A record belongs to the job of its context, or to the one that runs.
// Others are dropped: no job logs them.
type logHandler struct {
	server *server
	attrs  []string // names and values in turns
	group  string   // with a dot
}

// Enabled implements slog.Handler: at Info and above.
func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

// Handle implements slog.Handler.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	job, ok := ctx.Value(infoKey{}).(*Info)
	if !ok {
		if job = h.server.only(); job == nil {
			return nil
		}
	}
	attrs := slices.Clip(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		attrs = flatten(attrs, h.group, a)
		return true
	})
	record := wire.Record{Time: r.Time, Level: int(r.Level), Message: r.Message, Attrs: attrs}
	body := record.Append(nil)
	if len(body) > maxFrame {
		record.Message, record.Attrs = "a log record of more than 1 MiB", nil
		body = record.Append(nil)
	}
	err := h.server.writer.Write(wire.Frame{Kind: wire.KindLog, Call: job.call, Body: body})
	return err
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	all := slices.Clip(h.attrs)
	for _, a := range attrs {
		all = flatten(all, h.group, a)
	}
	return &logHandler{h.server, all, h.group}
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &logHandler{h.server, h.attrs, h.group + name + "."}
}

// flatten appends an attribute as text: those of a group with its name in front.
func flatten(all []string, group string, a slog.Attr) []string {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		return append(all, group+a.Key, v.String())
	}
	if a.Key != "" {
		group += a.Key + "."
	}
	for _, inner := range v.Group() {
		all = flatten(all, group, inner)
	}
	return all
}

// logTo writes a record of a child to a logger of the parent.
func logTo(ctx context.Context, logger *slog.Logger, body []byte) {
	r, err := wire.RecordOf(body)
	if err != nil {
		logger.WarnContext(ctx, "isolate: a log record that can't be read", "error", guard.Text(err))
		return
	}
	if !logger.Enabled(ctx, slog.Level(r.Level)) {
		return
	}
	record := slog.NewRecord(orNow(r.Time), slog.Level(r.Level), r.Message, 0)
	for pair := range slices.Chunk(r.Attrs, 2) {
		record.AddAttrs(slog.String(pair[0], pair[1]))
	}
	_ = logger.Handler().Handle(ctx, record) // as the logger itself does
}

func orNow(t time.Time) time.Time {
	if t.IsZero() {
		return time.Now()
	}
	return t
}
