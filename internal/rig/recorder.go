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
	mu      sync.Mutex
	errors  []string
	expects map[string]int // of those that have an event as well, how many
}

// told are errors that are no failure of the library's: what they say, events say, too.
var told = []string{"gentask: job dead-lettered", "gentask: no session"}

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
	if slices.Contains(told, rec.Message) {
		if l.expects == nil {
			l.expects = map[string]int{}
		}
		l.expects[rec.Message]++
		return nil
	}
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
