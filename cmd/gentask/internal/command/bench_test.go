package command_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/cmd/gentask/internal/command"
)

// TestBench shows rates and latencies, and leaves no queue.
func TestBench(t *testing.T) {
	w := newWorld(t, "emails")
	one := objects(t, w.must("bench", "--jobs", "500", "--size", "0", "--json"))[0]
	require.Equal(t, []any{"memory", 500.0, 0.0, 500.0, 500.0},
		[]any{one["system"], one["jobs"], one["size"], one["published"], one["done"]})
	require.True(t, strings.HasPrefix(one["queue"].(string), "gentask-bench-"), one)
	for _, name := range []string{
		"published_per_second", "done_per_second", "publishing_seconds", "seconds", "latency_p50_seconds",
		"latency_p99_seconds", "latency_max_seconds",
	} {
		require.Positive(t, one[name], name)
	}
	require.Regexp(t, `^memory\t10\t100\t\d+\t10\t\d+\t\S+s\t\S+s\t\S+s\n$`, w.must("bench", "--jobs", "10"))
	require.Len(t, w.queues, 1)
}

// TestBench_Interrupted shows what it has measured until then, and leaves no queue either.
func TestBench_Interrupted(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	w.made = func() { cancel(command.Interrupted()) }
	o := w.callIn(ctx, "", "bench", "--json", "--rate", "10")
	require.Equal(t, command.ExitInterrupted, o.code, o.err)
	require.Empty(t, w.queues)
}

// TestBench_Mistakes are found before a queue is made.
func TestBench_Mistakes(t *testing.T) {
	w := newWorld(t)
	w.made = func() { t.Error("a queue was made") }
	for _, args := range [][]string{
		{"--jobs", "0"},
		{"--jobs", "100000000"},
		{"--size", "-1"},
		{"--batch", "0"},
		{"--publishers", "0"},
		{"--concurrency", "0"},
		{"--rate", "-1"},
		{"--rate", "NaN"},
		{"emails"},
		{"--queue-type", "stream"},
	} {
		o := w.call("", append([]string{"bench"}, args...)...)
		require.Equal(t, command.ExitUsage, o.code, "%q: %s", args, o.err)
		require.Contains(t, o.err, "want", "%q", args)
	}
}
