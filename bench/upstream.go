package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/bench/result"
	"github.com/gentask/gentask/task"
)

const (
	upstreamJobs     = 100
	upstreamPrefetch = 5
	upstreamSleep    = 100 * time.Millisecond
	upstreamFloor    = upstreamJobs / upstreamPrefetch * upstreamSleep
)

// upstream is the test of the Elixir original: 100 jobs, 5 at a time; each run panics with a
// probability of a half and is then requeued at once, or takes 100 ms. The sleeps alone take 2.0 s.
func upstream(o options) []comparison {
	cases := []comparison{{
		name: "100 jobs, 5 at a time", peer: "the floor", ours: upstreamScenario,
		claims: []claim{{unit: result.Wall, target: 1.25, given: upstreamFloor.Seconds()}},
	}}
	if o.quick {
		cases[0].claims[0].given = (upstreamFloor / 10).Seconds()
	}
	return o.sized().each("upstream", upstreamJobs, upstreamJobs/10, cases)
}

func upstreamScenario(ctx context.Context, t *trial) error {
	worker := &upstreamWorker{tally: t.tally, random: rand.New(rand.NewPCG(1, 2))}
	return fromMemory(upstreamPrefetch, small, func(*trial) gentask.Behavior { return gentask.Work(worker) })(ctx, t)
}

type upstreamWorker struct {
	tally *tally

	mu     sync.Mutex
	random *rand.Rand
}

// Run implements gentask.Worker.
func (w *upstreamWorker) Run(ctx context.Context, body []byte) (string, error) {
	if w.unlucky() {
		panic("a third-party service is down")
	}
	if err := sleep(ctx, upstreamSleep); err != nil {
		return "", err
	}
	w.tally.ran(body)
	return "done", nil
}

func (w *upstreamWorker) unlucky() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.Float64() < 0.5
}

// HandleResult implements gentask.Worker.
func (*upstreamWorker) HandleResult(_ gentask.Job[[]byte], o task.Outcome[string]) gentask.Decision {
	if o.Status == task.OK {
		return gentask.Ack()
	}
	return gentask.Requeue(0)
}

// sleep is a job that takes d.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
