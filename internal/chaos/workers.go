package chaos

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// KillWorkers lets two worker processes consume from the broker at the URL. Again and again it
// kills one of them -9 in the middle of its jobs, and starts another. The jobs of the victim must
// run elsewhere, as a further attempt: the longest time until the first of them did is the Resumed
// of the row.
func KillWorkers(t testing.TB, kind Kind, at string, kills, jobs int) Row {
	t.Helper()
	const concurrency = 10
	h, err := newHome()
	require.NoError(t, err)
	defer func() { require.NoError(t, h.close()) }()
	tr := NewTrial(t, "worker process killed -9", kind, at, at)
	tr.Work = 20 * time.Millisecond
	tr.Publish(jobs)
	workers := make([]*Worker, 2)
	for i := range workers {
		workers[i] = tr.StartWorker(h, fmt.Sprintf("worker-%d", i), concurrency)
		defer func() { workers[i].Kill() }()
	}
	var slowest, sum time.Duration
	for i := 0; tr.row.Times < kills && i < 2*kills; i++ { // a victim that had just finished doesn't count
		tr.Ran(jobs / (4 * kills))
		victim := workers[i%2]
		tr.Eventually("it is in the middle of its jobs", func() bool {
			if tr.open() == 0 {
				tr.Publish(poisonEvery)
			}
			return len(tr.unfinished(victim.Node)) > 0
		})
		killed := time.Now()
		victim.Kill()
		held := tr.unfinished(victim.Node)
		workers[i%2] = tr.StartWorker(h, fmt.Sprintf("worker-%d", i+2), concurrency)
		if len(held) == 0 {
			continue // it had just finished
		}
		again := tr.again(killed, victim.Node, held)
		slowest, sum = max(slowest, again), sum+again
		tr.row.Times++
	}
	require.Equal(t, kills, tr.row.Times)
	mean := sum / time.Duration(kills)
	t.Logf("%s: %d kills; from kill to first redelivery %v at most, %v on average", kind, tr.row.Times, slowest, mean)
	tr.row.Resumed = Span(slowest)
	return tr.Finish(len(workers))
}

// Drained waits until everything has run, and the queue is empty.
func (tr *Trial) Drained() {
	tr.Helper()
	tr.Published()
	tr.Eventually("the queue is empty", func() bool { return tr.open() == 0 && tr.empty(tr.Context()) })
}

// again waits until another node runs one of the jobs that the victim held, and returns how long
// after that kill. The broker marks it as a further delivery.
func (tr *Trial) again(killed time.Time, victim string, held map[string]bool) time.Duration {
	tr.Helper()
	var first Mark
	tr.Eventually("what it held runs elsewhere", func() (ok bool) {
		first, ok = tr.firstAfter(killed, func(m Mark) bool { return held[m.ID] && m.Node != victim })
		return ok
	})
	require.True(tr, first.Again, "%+v is not marked as a further delivery", first)
	return first.At.Sub(killed)
}
