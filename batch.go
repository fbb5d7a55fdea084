package gentask

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// BatchConfig says when a batch is handled: when one of its limits is reached, or when nothing more can come because every slot is taken by jobs that
// wait, or the consumer drains. The zero value is right.
type BatchConfig struct {
	// Size is the most jobs of a batch, at most Config.Concurrency, for each waits in a slot of its own. Zero means as many as Concurrency;
	// less lets several batches run at a time.
	Size int

	// Bytes is the most that the bodies of a batch may have together; a body that is larger is a batch of its own. Zero means no limit.
	Bytes int

	// Wait is how long the first job of a batch waits for others. Zero means 1 s.
	Wait time.Duration

	// Key says which batch a message belongs to: jobs of different keys are never handled together. Nil means that all belong together.
	Key func(msg *queue.Message) string
}

// Results says how each job of a batch ended, by its ID: nil is done, an error failed. No two jobs of a batch have the same ID.
type Results map[string]error

// AllDone returns the results of a batch without a failure.
func AllDone[J any](jobs []Job[J]) Results {
	r := make(Results, len(jobs))
	for _, j := range jobs {
		r[j.ID()] = nil
	}
	return r
}

// Batch makes a behaviour of a function that handles several jobs at a time. What becomes of each is decided as by Handle, by its own result. A job
// that is not among the results failed with the error that the function returns, or with ErrNoResult. A panic, a Goexit or a timeout fails all of
// them, those with a result too. A job in its second attempt, or a later one, is handled in a batch of one: one job that makes every batch fail costs
// its neighbours one attempt each, and then fails alone.
//
// Each job keeps a task of its own. The function runs in that of one of them; the others wait. Its
// ctx has the values of that task's context, as middleware has left it, and ends with that task; an
// end that middleware has set for a job, such as a deadline, is that job's alone, and ends ctx only
// when every job of the batch was told to stop. Config.Timeout counts from when the batch is
// handled. A job that is cancelled before leaves the batch, and one that is cancelled meanwhile is
// let go when the function returns or the grace is almost over. If that is the one in whose task
// the function runs, ctx is cancelled, and the others that get no result go back to the queue
// without having lost an attempt.
func Batch[J any](handle func(ctx context.Context, jobs []Job[J]) (Results, error), cfg BatchConfig) Behavior {
	if handle == nil {
		return Behavior{}
	}
	clampSpans(reflect.ValueOf(&cfg).Elem())
	b := &batcher{cfg: cfg, call: func(ctx context.Context, members []*member) (Results, error) {
		jobs := make([]Job[J], len(members))
		for i, m := range members {
			payload, _ := m.payload.(J)
			jobs[i] = Job[J]{entry: m.entry, payload: payload}
		}
		return handle(ctx, jobs)
	}}
	return Behavior{byDefault: true, check: cfg.check, kernel: batchKernel[J]{&functions[J, struct{}]{
		run:    func(ctx context.Context, payload J) (struct{}, error) { return struct{}{}, b.join(ctx, payload) },
		handle: func(job Job[J], o task.Outcome[struct{}]) Decision { return b.decide(job.entry, o.Status) },
	}}}
}

// check refuses what makes no sense.
func (c BatchConfig) check(s *settings) error {
	return badFields("BatchConfig.", errors.Join(
		unfitIf(c.Size < 0, "Size", c.Size, "0 for as many as Concurrency, or more"),
		unfitIf(c.Size > s.Concurrency, "Size", c.Size, fmt.Sprintf("Concurrency, which is %d, at most", s.Concurrency)),
		unfitIf(c.Bytes < 0, "Bytes", c.Bytes, "0 for no limit, or more"),
		unfitIf(c.Wait < 0, "Wait", c.Wait, "0 for 1s, or more")))
}

// batcher is what Batch makes. Each incarnation of a consumer has a collector for it.
type batcher struct {
	cfg  BatchConfig
	call func(ctx context.Context, members []*member) (Results, error)
}

// join runs in the task of a job: it makes it a member of a batch, and returns the job's result.
func (b *batcher) join(ctx context.Context, payload any) error {
	job, _ := FromContext(ctx)
	m := &member{entry: job.entry, payload: payload, turn: make(chan struct{}, 1)}
	if b.cfg.Key != nil {
		m.key = bounded(b.cfg.Key(&job.entry.delivery.Message))
	}
	c := job.entry.incarnation.batches.of(b)
	c.enter(m)
	defer c.forget(m)
	select {
	case <-m.turn:
		return c.lead(ctx, m)
	case <-m.group.over:
		return m.group.result(m)
	case <-m.group.interrupted:
	case <-ctx.Done():
		if c.leave(m) {
			return context.Cause(ctx)
		}
		c.quit(m.group, context.Cause(ctx))
	}
	return c.bearWith(ctx, m)
}

// decide runs in the worker: a batch has as much time as a job, from when it is handled.
func (b *batcher) decide(e *entry, s task.Status) Decision {
	if s == task.Timeout {
		if left := e.incarnation.batches.of(b).timeLeft(e); left > 0 {
			return Extend(left)
		}
	}
	return Decision{}
}
