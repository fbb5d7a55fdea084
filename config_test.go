package gentask_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

func noop() gentask.Behavior {
	return gentask.Handle(func(context.Context, []byte) error { return nil })
}

// TestConfig_BadField: every mistake is an error that names the field, what it was, and what would
// be right.
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
		{gentask.Config{Retry: gentask.Retry{MaxAttempts: -2}}, []string{"Retry.MaxAttempts", "-2", "0 for 25", "-1"}},
		{gentask.Config{Retry: gentask.Retry{Backoff: gentask.Backoff{Base: -1}}}, []string{"Retry.Backoff.Base", "-1ns", "0 for 1s"}},
		{gentask.Config{Retry: gentask.Retry{Backoff: gentask.Backoff{Max: -1}}}, []string{"Retry.Backoff.Max", "-1ns", "0 for 6h"}},
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
		Concurrency: 1, Prefetch: 1, Timeout: -1, Grace: -1, MaxAbandoned: -1, DrainTimeout: -1, Restarts: -1,
		Retry: gentask.Retry{MaxAttempts: -1, Backoff: gentask.Backoff{Base: time.Hour, Max: time.Second}}, Reconnect: gentask.Backoff{Base: 1},
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

// named is a source whose queue has a name.
type named struct {
	queue.Source
	name string
}

func (n named) Name() string { return n.name }

// TestConfig_Name: without one of its own, the consumer has that of its queue, where that has one.
func TestConfig_Name(t *testing.T) {
	plain := struct{ queue.Source }{memory.New(memory.Config{})}
	for _, c := range []struct {
		source     queue.Source
		name, want string
	}{
		{memory.New(memory.Config{Name: "emails"}), "", "emails"},
		{memory.New(memory.Config{Name: "emails"}), "mine", "mine"},
		{named{plain, "n"}, "", "n"},
		{named{plain, ""}, "", "gentask"},
		{plain, "", "gentask"},
		{plain, "mine", "mine"},
	} {
		consumer, err := gentask.New(c.source, gentask.Handle(func(context.Context, int) error { return nil }), gentask.Config{Name: c.name})
		require.NoError(t, err)
		require.Equal(t, c.want, consumer.Name())
	}
}

// TestConfig_AllMistakesAtOnce: one error has a line for each mistake.
func TestConfig_AllMistakesAtOnce(t *testing.T) {
	_, err := gentask.New(nil, gentask.Behavior{}, gentask.Config{
		Timeout: -7, Prefetch: -1, Reconnect: gentask.Backoff{Base: time.Hour},
		Retry: gentask.Retry{
			MaxAttempts: -2, Backoff: gentask.Backoff{Base: 12 * time.Hour}, Rules: []gentask.Rule{{}, {MaxAttempts: -1}},
		},
		Policy: gentask.Policy{
			Rate:       gentask.Rate{PerSecond: math.NaN(), Burst: -1},
			Breaker:    gentask.Breaker{FailureRate: 0.5, Wait: gentask.Backoff{Base: time.Hour}},
			Order:      gentask.Order{Key: gentask.KeyHeader("")},
			Fairness:   gentask.Fairness{Key: gentask.KeyHeader("")},
			KeyRate:    gentask.KeyRate{Key: gentask.KeyHeader("")},
			KeyBreaker: gentask.KeyBreaker{Key: gentask.KeyHeader("")},
			Middleware: []gentask.Middleware{nil, nil},
		},
	})
	require.ErrorIs(t, err, gentask.ErrConfig)
	for _, want := range []string{
		"source is nil", "behavior is empty", "Timeout is -7ns", "Prefetch is -1",
		"Retry.MaxAttempts is -2; want 0 for 25", "Retry.Backoff.Base is 12h0m0s; want 6h0m0s at most, or a Max",
		"Reconnect.Base is 1h0m0s; want 30s at most", "Retry.Rules[0].When is nil", "Retry.Rules[1].When is nil",
		"Retry.Rules[1].MaxAttempts is -1", "Policy.Rate.PerSecond is NaN", "Policy.Rate.Burst is -1",
		"Policy.Breaker.Wait.Base is 1h0m0s; want 1m0s at most", `Policy.Order.Key is KeyHeader(""); want the name of a header`,
		`Policy.Fairness.Key is KeyHeader("")`, `Policy.KeyRate.Key is KeyHeader("")`, `Policy.KeyBreaker.Key is KeyHeader("")`,
		"Policy.KeyBreaker.Breaker.FailureRate is 0", "Policy.Middleware[0] is nil", "Policy.Middleware[1] is nil",
	} {
		require.ErrorContains(t, err, want)
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		require.Contains(t, line, "gentask: bad config: ", "each line is complete")
	}
}

// TestConfig_AllMistakesOfBehaviors: those of a Mux and its kinds, too.
func TestConfig_AllMistakesOfBehaviors(t *testing.T) {
	batch := func(context.Context, []gentask.Job[string]) (gentask.Results, error) { return nil, nil }
	_, err := gentask.New(memory.New(memory.Config{}), gentask.Mux("", map[string]gentask.Behavior{
		"a": gentask.Batch(batch, gentask.BatchConfig{Size: -1, Wait: -1, Bytes: -1}), "b": {},
	}), gentask.Config{})
	for _, want := range []string{"header of Mux is empty", "BatchConfig.Size is -1", "BatchConfig.Wait", "BatchConfig.Bytes", `kind "b" of Mux`} {
		require.ErrorContains(t, err, want)
	}
}
