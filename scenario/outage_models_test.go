package scenario_test

import (
	byDue "container/heap"
	"math"
	"math/rand/v2"
	"time"
)

// outageModel is a system, as its documentation describes what becomes of a job that has failed:
// how long it waits after its nth failure, from 1, and after how many it is given up.
type outageModel struct {
	system   string
	attempts int // zero for no end
	wait     func(failures int) time.Duration
}

func outageModels() []outageModel {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // jitter, not a secret
	atOnce := func(int) time.Duration { return 0 }
	return []outageModel{
		// riverqueue/river v0.51.1, internal/retrypolicy: errors^4 s, 10 % more or less; 25
		// attempts (river.MaxAttemptsDefault).
		{"River (model)", 25, func(n int) time.Duration {
			return time.Duration(math.Pow(float64(n), 4) * (0.9 + 0.2*rng.Float64()) * float64(time.Second))
		}},
		// hibiken/asynq v0.26.0, DefaultRetryDelayFunc, where n counts the retries before; 25
		// retries (defaultMaxRetry).
		{"asynq (model)", 26, func(n int) time.Duration {
			n--
			return time.Duration(int(math.Pow(float64(n), 4))+15+rng.IntN(30)*(n+1)) * time.Second
		}},
		// RabbitMQ: a nack with requeue comes again at once. Quorum queues give up after 20 returns
		// by default (delivery-limit, since 4.0).
		{"bare consumer, nack and requeue, classic queue (model)", 0, atOnce},
		{"bare consumer, nack and requeue, quorum queue (model)", 21, atOnce},
	}
}

// outageJob is a message that is due.
type outageJob struct {
	due      time.Duration
	failures int
}

type outageQueue []outageJob

// Len implements container/heap.Interface.
func (q outageQueue) Len() int { return len(q) }

// Less implements container/heap.Interface.
func (q outageQueue) Less(i, j int) bool { return q[i].due < q[j].due }

// Swap implements container/heap.Interface.
func (q outageQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements container/heap.Interface.
func (q *outageQueue) Push(x any) { *q = append(*q, x.(outageJob)) }

// Pop implements container/heap.Interface.
func (q *outageQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}

// play runs the job that is due first on the worker that is free first.
func (m outageModel) play() outageRow {
	row := outageRow{system: m.system, first: math.MaxInt64}
	var q outageQueue
	for i := range outageJobs {
		byDue.Push(&q, outageJob{due: time.Duration(i) * outageEvery})
	}
	var free [outageWorkers]time.Duration
	for q.Len() > 0 {
		job, _ := byDue.Pop(&q).(outageJob)
		worker := 0
		for w := range free {
			if free[w] < free[worker] {
				worker = w
			}
		}
		begin := max(job.due, free[worker])
		free[worker] = begin + outageRun
		if begin >= outageTime {
			row.first = min(row.first, free[worker]-outageTime)
			row.done = max(row.done, free[worker]-outageTime)
			continue
		}
		row.burnt++
		if job.failures++; job.failures == m.attempts {
			row.dead++
			continue
		}
		byDue.Push(&q, outageJob{due: free[worker] + m.wait(job.failures), failures: job.failures})
	}
	return row
}
