package feed

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/gentask/gentask/internal/guard"
)

// mostRecords is how many log records may wait.
const mostRecords = 2048

// Handler is a [slog.Handler] that hands records to another one in a feed, so that logging never
// waits for the other. It takes records at Info or above. It asks the other one on the feed whether
// it is enabled.
type Handler struct {
	feed   *Feed[record]
	target slog.Handler
	least  slog.Level
	with   []func(slog.Handler) slog.Handler // the calls of WithAttrs and WithGroup
	seal   func(slog.Value) slog.Value
}

// record is a record on its way, with the Handler that took it.
type record struct {
	ctx context.Context //nolint:containedctx // the other handler may want what it carries
	slog.Record
	by *Handler
}

// NewHandler returns a Handler in front of target, which counts in hook.
func NewHandler(hook *guard.Hook, target slog.Handler) *Handler {
	h := &Handler{target: target, least: slog.LevelInfo}
	told := int64(0)
	h.feed = New(hook, mostRecords, func(r record) {
		if lost := int64(hook.Stats().Lost); lost > told {
			n := lost - told
			told = lost
			h.tellLost(r, n)
		}
		r.by.pass(r.ctx, r.Record)
	})
	return h
}

// tellLost logs to the target how many records were lost.
func (h *Handler) tellLost(r record, n int64) {
	lost := slog.NewRecord(time.Now(), slog.LevelWarn, "gentask: log records lost, because the handler is too slow", 0)
	lost.Add("count", n)
	h.pass(r.ctx, lost)
}

// pass runs on the feed's goroutine, like all calls of the target.
func (h *Handler) pass(ctx context.Context, r slog.Record) {
	target := h.target
	for _, with := range h.with {
		target = with(target)
	}
	if target.Enabled(ctx, r.Level) {
		_ = target.Handle(ctx, r) // there is no other log
	}
}

// AtLeast returns a Handler with the same feed for records at level or above.
func (h *Handler) AtLeast(level slog.Level) *Handler {
	cp := *h
	cp.least = level
	return &cp
}

// Foreign returns a Handler with the same feed for records of other modules. A value in them is
// replaced by its type, unless it is safe to read later and elsewhere.
func (h *Handler) Foreign() *Handler {
	cp := *h
	cp.seal = foreign
	return &cp
}

// foreign seals a value. Of an unknown type, only the name is safe.
func foreign(v slog.Value) slog.Value {
	switch v.Kind() { //nolint:exhaustive // the rest is plain
	case slog.KindGroup:
		attrs := slices.Clone(v.Group())
		for i := range attrs {
			attrs[i].Value = foreign(attrs[i].Value)
		}
		return slog.GroupValue(attrs...)
	case slog.KindAny, slog.KindLogValuer:
		return slog.StringValue(foreignText(v.Any()))
	}
	return v
}

func foreignText(v any) string {
	switch v := v.(type) {
	case nil:
		return "<nil>"
	case interface{ GetId() string }: // a PID
		return v.GetId()
	case *guard.SealedError:
		return v.Error()
	}
	return fmt.Sprintf("%T", v)
}

// Enabled implements [slog.Handler].
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.least }

// Handle implements [slog.Handler].
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	if h.seal == nil {
		h.feed.Push(record{ctx: ctx, Record: r.Clone(), by: h})
		return nil
	}
	sealed := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		sealed.AddAttrs(slog.Attr{Key: a.Key, Value: h.seal(a.Value)})
		return true
	})
	h.feed.Push(record{ctx: ctx, Record: sealed, by: h})
	return nil
}

// WithAttrs implements [slog.Handler].
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if h.seal != nil {
		attrs = slices.Clone(attrs)
		for i := range attrs {
			attrs[i].Value = h.seal(attrs[i].Value)
		}
	}
	return h.then(func(t slog.Handler) slog.Handler { return t.WithAttrs(attrs) })
}

// WithGroup implements [slog.Handler].
func (h *Handler) WithGroup(name string) slog.Handler {
	return h.then(func(t slog.Handler) slog.Handler { return t.WithGroup(name) })
}

func (h *Handler) then(with func(slog.Handler) slog.Handler) *Handler {
	cp := *h
	cp.with = append(slices.Clip(h.with), with)
	return &cp
}

// Stuck reports whether the other handler has not returned for longer than limit.
func (h *Handler) Stuck(limit time.Duration) bool { return h.feed.Stuck(limit) }

// Wait returns nil when the other handler has got every record so far, and otherwise the error of
// [Feed.Wait].
func (h *Handler) Wait(ctx context.Context, patience time.Duration) error {
	return h.feed.Wait(ctx, patience)
}
