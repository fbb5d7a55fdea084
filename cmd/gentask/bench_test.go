package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// benchQueue finds the name of a queue that bench has made.
var benchQueue = regexp.MustCompile(`gentask-bench-[a-z0-9]+`)

// TestBench_OnEachBroker measures, and leaves no queue, also after Ctrl-C. In a terminal it shows
// the rate and the time that is left.
func TestBench_OnEachBroker(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		if p.system == "Embedded" {
			p.must(t, "x", "publish", p.queue, "--create") // what is there stays
		}
		one := objects(t, p.must(t, "", "bench", "--jobs", "2000", "--size", "50", "--json"))[0]
		require.Equal(t, []any{2000.0, 2000.0}, []any{one["published"], one["done"]})
		require.Positive(t, one["latency_p99_seconds"])
		p.lacks(t, one["queue"].(string))

		code, shown := typed(t, program(t, p.args("bench", "--jobs", "100000", "--rate", "100")...), " left", "\x03")
		require.Equal(t, 130, code, shown)
		require.Regexp(t, `done: \d+ of 100000, \d+/s, \S+ left`, shown)
		p.lacks(t, benchQueue.FindString(shown))
		if p.system == "Embedded" {
			p.ready(t, 1)
		}
	})
}

// lacks checks that the broker has no such queue.
func (p place) lacks(t *testing.T, name string) {
	t.Helper()
	require.NotEmpty(t, name)
	if p.system == "RabbitMQ" {
		require.Equal(t, 4, p.call(t, "", "queues", name).code)
		return
	}
	require.NotContains(t, p.must(t, "", "queues"), name)
}

// TestBench_Directory that does not exist is made, and removed with all that is in it.
func TestBench_Directory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	o := call(t, "", "--url", "file:"+dir, "bench", "--jobs", "100")
	require.Contains(t, o.out, "embedded\t100\t", o.err)
	require.NoDirExists(t, dir)
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600))
	require.Equal(t, 2, call(t, "", "--url", "file:"+dir, "bench", "--jobs", "100").code)
	require.FileExists(t, filepath.Join(dir, "thesis.txt"))
}
