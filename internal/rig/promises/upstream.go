package promises

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// Lateness returns the average delay of timers while f runs: the time to wait for a processor.
func Lateness(f func()) (average time.Duration) {
	const d = time.Millisecond
	stop, mean := make(chan struct{}), make(chan time.Duration)
	go func() {
		var late time.Duration
		for n := time.Duration(1); ; n++ {
			begin := time.Now()
			select {
			case <-time.After(d):
				late += time.Since(begin) - d
			case <-stop:
				mean <- late / n
				return
			}
		}
	}()
	defer func() { // also when the test ends in f
		close(stop)
		average = <-mean
	}()
	f()
	return 0
}

const (
	// UpstreamsFloor is the shortest time that UpstreamsOwnTest can take.
	UpstreamsFloor = upstreamsJobs / upstreamsPrefetch * upstreamsSleep

	upstreamsJobs     = 100
	upstreamsPrefetch = 5
	upstreamsSleep    = 100 * time.Millisecond
)

// UpstreamsOwnTest is scenario 1. It returns how long all jobs took.
func UpstreamsOwnTest(r *rig.Rig) time.Duration {
	r.Publish(upstreamsJobs)
	u := &upstream{Rand: rand.New(rand.NewPCG(1, 2))}
	run := rig.Track(r.Runs, u.run)
	begin := time.Now()
	r.Start(gentask.Work(&rig.Worker[[]byte, string]{OnRun: run, OnResult: u.handle}), gentask.Config{
		Concurrency: upstreamsPrefetch, Timeout: time.Second, Retry: gentask.Retry{MaxAttempts: -1},
	})
	r.Finish()
	took := time.Since(begin)
	r.Eventually("every end is told", func() bool { return len(r.Events(gentask.EventDone)) >= upstreamsJobs+u.panics })
	settled := map[queue.Disposition]int{}
	for _, ev := range r.Events(gentask.EventDone) {
		settled[ev.Disposition]++
	}
	require.Equal(r, map[queue.Disposition]int{queue.Ack: upstreamsJobs, queue.Requeue: u.panics}, settled)
	require.Equal(r, upstreamsJobs+u.panics, r.Runs.Total())
	require.LessOrEqual(r, r.Runs.Most(), upstreamsPrefetch)
	return took
}

// upstream is the worker of the original's test.
type upstream struct {
	sync.Mutex
	*rand.Rand
	panics int
}

func (u *upstream) run(context.Context, []byte) (string, error) {
	if u.unlucky() {
		panic("a third-party service is down")
	}
	time.Sleep(upstreamsSleep)
	return "done", nil
}

func (u *upstream) unlucky() bool {
	u.Lock()
	defer u.Unlock()
	if u.Float64() >= 0.5 {
		return false
	}
	u.panics++
	return true
}

func (*upstream) handle(_ gentask.Job[[]byte], o task.Outcome[string]) gentask.Decision {
	if o.Status == task.OK {
		return gentask.Ack()
	}
	return gentask.Requeue(0)
}
