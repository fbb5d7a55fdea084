//go:build !race

package isolate_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/isolate"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

// costs are what a job takes.
type costs struct {
	allocs        float64 // in this process
	reads, writes float64 // of this process
	childReads    float64
	childWrites   float64
}

// counter answers with the process that it runs in.
type counter struct{ got chan task.Outcome[int] }

func (counter) Run(context.Context, []byte) (int, error) { return os.Getpid(), nil }

func (c counter) HandleResult(_ gentask.Job[gentask.Raw], o task.Outcome[int]) gentask.Decision {
	c.got <- o
	return gentask.Ack()
}

// counterHere is a counter in this process.
type counterHere struct{ counter }

func (c counterHere) HandleResult(_ gentask.Job[[]byte], o task.Outcome[int]) gentask.Decision {
	c.got <- o
	return gentask.Ack()
}

var (
	counted  = counter{make(chan task.Outcome[int], 10)}
	counting = isolate.Work("count", counted, isolate.Config{Children: 1})
)

// TestCosts: a job in a child costs no more than it must. A busy machine adds wake-ups, so `make
// bench-check` runs it alone, and the least of several measurements counts.
func TestCosts(t *testing.T) {
	here, there := costsOf(t, gentask.Work(counterHere{counted})), costsOf(t, counting)
	for range 9 {
		there = there.least(costsOf(t, counting))
	}
	t.Logf("in the parent: %+v; in a child: %+v", here, there)
	require.Less(t, there.allocs-here.allocs, 19.)
	require.Less(t, there.writes, 1.3, "one for each job; the rest wakes threads")
	require.Less(t, there.reads, 2.3, "two for each job: one finds nothing yet")
	require.Less(t, there.childWrites, 1.3, "one for each result")
	require.Less(t, there.childReads, 1.3, "one for each job: it waits, and does not look before")
}

func (c costs) least(d costs) costs {
	return costs{
		allocs: min(c.allocs, d.allocs), reads: min(c.reads, d.reads), writes: min(c.writes, d.writes),
		childReads: min(c.childReads, d.childReads), childWrites: min(c.childWrites, d.childWrites),
	}
}

// costsOf does jobs, one after the other.
func costsOf(t *testing.T, b gentask.Behavior) costs {
	t.Helper()
	const jobs = 1000
	q := memory.New(memory.Config{})
	start(t, q, b, gentask.Config{Concurrency: 1})
	do := func(n int) (pid int) {
		for range n {
			publish(t, q, "")
			o := <-counted.got
			require.NoError(t, o.Reason)
			pid = o.Value
		}
		return pid
	}
	pid := do(100)
	before, mine, its := allocations(), inputs(t, os.Getpid()), inputs(t, pid)
	require.Equal(t, pid, do(jobs))
	after, mine2, its2 := allocations(), inputs(t, os.Getpid()), inputs(t, pid)
	return costs{
		allocs: float64(after-before) / jobs,
		reads:  float64(mine2.reads-mine.reads) / jobs, writes: float64(mine2.writes-mine.writes) / jobs,
		childReads: float64(its2.reads-its.reads) / jobs, childWrites: float64(its2.writes-its.writes) / jobs,
	}
}

func allocations() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// calls are how often a process has read and written.
type calls struct{ reads, writes int }

func inputs(t *testing.T, pid int) calls {
	t.Helper()
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/io")
	require.NoError(t, err)
	var c calls
	var chars, written int
	_, err = fmt.Sscanf(string(data), "rchar: %d\nwchar: %d\nsyscr: %d\nsyscw: %d", &chars, &written, &c.reads, &c.writes)
	require.NoError(t, err)
	return c
}
