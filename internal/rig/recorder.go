package rig

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"github.com/gentask/gentask"
)

// recorder keeps every event.
type recorder struct {
	mu  sync.Mutex
	all []gentask.Event
}

func (r *recorder) hook(next func(gentask.Event)) func(gentask.Event) {
	return func(ev gentask.Event) {
		r.mu.Lock()
		r.all = append(r.all, ev)
		r.mu.Unlock()
		if next != nil {
			next(ev)
		}
	}
}

func (r *recorder) of(kinds ...gentask.EventKind) []gentask.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(kinds) == 0 {
		return slices.Clone(r.all)
	}
	var some []gentask.Event
	for _, ev := range r.all {
		if slices.Contains(kinds, ev.Kind) {
			some = append(some, ev)
		}
	}
	return some
}

// logs keeps what was logged as an error.
type logs struct {
	mu     sync.Mutex
	errors []string
}

// Enabled implements slog.Handler.
func (*logs) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// Handle implements slog.Handler.
func (l *logs) Handle(_ context.Context, rec slog.Record) error {
	text := rec.Message
	rec.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errors = append(l.errors, text)
	return nil
}

// WithAttrs implements slog.Handler.
func (l *logs) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler.
func (l *logs) WithGroup(string) slog.Handler { return l }

// Logged returns what was logged as an error so far.
func (r *Rig) Logged() []string { return r.logs.all() }

// all returns what was logged as an error so far.
func (l *logs) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.errors)
}
