package gentask_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue/memory"
)

func noop() gentask.Behavior {
	return gentask.Handle(func(context.Context, []byte) error { return nil })
}

// TestConfig_BadField: every mistake is an error that names the field, what it was, and what would be right.
func TestConfig_BadField(t *testing.T) {
	q := memory.New(memory.Config{})
	for _, c := range []struct {
		cfg  gentask.Config
		want []string
	}{
		{gentask.Config{Concurrency: -1}, []string{"Concurrency", "-1", "0 for 10"}},
		{gentask.Config{Prefetch: -1}, []string{"Prefetch", "-1"}},
		{gentask.Config{Prefetch: 5}, []string{"Prefetch", "5", "Concurrency 10"}},
		{gentask.Config{Concurrency: 3, Prefetch: 2}, []string{"Prefetch", "2", "Concurrency 3"}},
		{gentask.Config{Timeout: -2}, []string{"Timeout", "-2ns", "0 for 30s, -1 for never"}},
		{gentask.Config{Grace: -time.Second}, []string{"Grace", "-1s", "0 for 5s, -1 for none"}},
		{gentask.Config{MaxAttempts: -2}, []string{"MaxAttempts", "-2", "0 for 25", "-1"}},
		{gentask.Config{Backoff: gentask.Backoff{Base: -1}}, []string{"Backoff.Base", "-1ns", "0 for 1s"}},
		{gentask.Config{Backoff: gentask.Backoff{Max: -1}}, []string{"Backoff.Max", "-1ns", "0 for 6h"}},
		{gentask.Config{MaxAbandoned: -2}, []string{"MaxAbandoned", "-2", "-1"}},
		{gentask.Config{DrainTimeout: -2}, []string{"DrainTimeout", "-2ns", "0 for 30s, -1"}},
		{gentask.Config{Reconnect: gentask.Backoff{Base: -1}}, []string{"Reconnect.Base", "-1ns", "0 for 100ms"}},
		{gentask.Config{Reconnect: gentask.Backoff{Max: -1}}, []string{"Reconnect.Max", "-1ns", "0 for 30s"}},
		{gentask.Config{OpenTimeout: -1}, []string{"OpenTimeout", "-1ns", "0 for 30s"}},
		{gentask.Config{Restarts: -2}, []string{"Restarts", "-2", "0 for 3", "-1"}},
	} {
		t.Run(strings.Join(c.want[:2], " "), func(t *testing.T) {
			_, err := gentask.New(q, noop(), c.cfg)
			require.ErrorIs(t, err, gentask.ErrConfig)
			for _, word := range c.want {
				require.ErrorContains(t, err, word)
			}
			require.Equal(t, err, gentask.Run(t.Context(), q, noop(), c.cfg), "Run says the same")
		})
	}
	require.Zero(t, q.Stats().Opened)
}

// TestConfig_ExtremesAreFine: the special values of every field.
func TestConfig_ExtremesAreFine(t *testing.T) {
	_, err := gentask.New(memory.New(memory.Config{}), noop(), gentask.Config{
		Concurrency: 1, Prefetch: 1, Timeout: -1, Grace: -1, MaxAttempts: -1, MaxAbandoned: -1, DrainTimeout: -1, Restarts: -1,
		Backoff: gentask.Backoff{Base: time.Hour, Max: time.Second}, Reconnect: gentask.Backoff{Base: 1},
	})
	require.NoError(t, err)
}

// TestConfig_NothingToRun: a missing source or behaviour is an error too, not a panic later on.
func TestConfig_NothingToRun(t *testing.T) {
	q := memory.New(memory.Config{})
	_, err := gentask.New(nil, noop(), gentask.Config{})
	require.ErrorIs(t, err, gentask.ErrConfig)
	require.ErrorContains(t, err, "source is nil")
	for name, b := range map[string]gentask.Behavior{
		"Zero":   {},
		"Handle": gentask.Handle[int](nil),
		"Work":   gentask.Work[int, int](nil),
		"Actor":  gentask.Actor[int](nil),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := gentask.New(q, b, gentask.Config{})
			require.ErrorIs(t, err, gentask.ErrConfig)
			require.ErrorContains(t, err, "behavior is empty")
		})
	}
}
