package gentask

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/gentask/gentask/internal/batching"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/task"
)

// BatchConfig limits batches. A batch is handled when one of its limits is reached, or when the
// consumer drains. It is handled, too, when jobs that gather have taken every slot, so that nothing
// more can come. The zero value is right.
type BatchConfig struct {
	// Size is the most jobs of a batch, at most [Config.Concurrency], because each of them waits in
	// a slot of its own. Zero means as many as Concurrency; with less, several batches can run at a
	// time.
	Size int

	// Bytes is the most that the bodies of a batch may have together. A body that is larger is a
	// batch of its own. Zero means no limit.
	Bytes int

	// Wait is how long the first job of a batch waits for others. Zero means 1 s.
	Wait time.Duration

	// Key returns which batch a message belongs to: jobs with different keys are never handled
	// together. The empty key is one like any other, and nil means that all belong together. Key is
	// called in the job's task, and fails the job if it fails.
	Key KeyFunc
}

// Results are the results of a batch, by the ID of the job: nil is done, an error failed. No two
// jobs of a batch have the same ID.
type Results map[string]error

// AllDone returns the results of a batch without a failure.
func AllDone[J any](jobs []Job[J]) Results {
	r := make(Results, len(jobs))
	for _, j := range jobs {
		r[j.ID()] = nil
	}
	return r
}

// Batch returns a behaviour of a function that handles several jobs at a time. Each job is decided
// as by [Handle], by its own result. A job that is not among the results failed with the error that
// the function returns, or with [ErrNoResult]. A panic, a Goexit or a timeout fails all of the
// jobs, those with a result too. A job in its second attempt, or a later one, is handled in a batch
// of one. So a job that makes every batch fail costs its neighbours one attempt each, and then
// fails alone.
//
// Each job keeps a task of its own. The function runs in the task of one of them, and the others
// wait. Its ctx has the values of that task's context, as middleware has left it, and ends with
// that task. An end that middleware has set for a job, such as a deadline, concerns that job alone.
// It ends ctx only when every job of the batch was stopped. [Config.Timeout] counts from when the
// batch is handled.
//
// A job that is cancelled before its batch is handled leaves it. A job that is cancelled meanwhile
// stops waiting when the function returns, or when the grace is almost over. If the function runs
// in its task, ctx is cancelled. The other jobs that get no result then go back to the queue, and
// lose no attempt.
func Batch[J any](handle func(ctx context.Context, jobs []Job[J]) (Results, error), cfg BatchConfig) Behavior {
	if handle == nil {
		return Behavior{}
	}
	clampSpans(reflect.ValueOf(&cfg).Elem())
	call := func(ctx context.Context, members []*batching.Member) (map[string]error, error) {
		jobs := make([]Job[J], len(members))
		for i, m := range members {
			payload, _ := m.Payload.(J)
			jobs[i] = Job[J]{entry: jobEntry(m), payload: payload}
		}
		return handle(ctx, jobs)
	}
	b := &batcher{key: cfg.Key, function: &batching.Function{
		Size: cfg.Size, Bytes: cfg.Bytes, Wait: or(cfg.Wait, time.Second), Call: call,
	}}
	return Behavior{byDefault: true, batched: true, check: cfg.check, kernel: batchKernel[J]{&functions[J, struct{}]{
		run:    func(ctx context.Context, payload J) (struct{}, error) { return struct{}{}, b.join(ctx, payload) },
		handle: func(job Job[J], o task.Outcome[struct{}]) Decision { return b.decide(job.entry, o.Status) },
	}}}
}

// check returns all errors in the fields, joined.
func (c BatchConfig) check(s *settings) error {
	return badFields("BatchConfig.", errors.Join(
		unfitIf(c.Size < 0, "Size", c.Size, "0 for as many as Concurrency, or more"),
		unfitIf(s.Concurrency > 0 && c.Size > s.Concurrency, "Size", c.Size,
			fmt.Sprintf("Concurrency, which is %d, at most", s.Concurrency)),
		unfitIf(c.Bytes < 0, "Bytes", c.Bytes, "0 for no limit, or more"),
		c.Key.check(),
		unfitIf(c.Wait < 0, "Wait", c.Wait, "0 for 1s, or more")))
}

// batchKernel is the kernel of Batch: that of functions, with the task's own context kept in ctx.
type batchKernel[J any] struct{ *functions[J, struct{}] }

// execute is called in the task.
func (k batchKernel[J]) execute(ctx context.Context, e *entry) (any, error) {
	return k.functions.execute(batching.WithTask(ctx), e)
}

// batcher is the function and the key of one Batch.
type batcher struct {
	key      KeyFunc
	function *batching.Function
}

func jobEntry(m *batching.Member) *entry {
	e, _ := m.Owner.(*entry)
	return e
}

// join is called in the task of a job. The job joins a batch, and the error of its result is
// returned.
func (b *batcher) join(ctx context.Context, payload any) error {
	job, _ := FromContext(ctx)
	e := job.entry
	m := &batching.Member{
		Owner: e, ID: e.delivery.ID, Attempt: e.item.Attempt, Size: len(e.delivery.Body), Payload: payload,
	}
	if b.key != nil {
		m.Key = bounded(b.key.of(&e.delivery.Message))
	}
	r := e.incarnation.batches.Join(ctx, b.function, m)
	switch r.Ending {
	case batching.Panicked:
		e.mark(factPanicked)
	case batching.Exited:
		e.mark(factExited)
	case batching.Stopped:
		return stoppedWith(e, r)
	case batching.Own:
	}
	return r.Err
}

// errInterrupted is the reason of a job that got no result because another job of its batch was
// stopped.
var errInterrupted = errors.New("gentask: batch interrupted, because another job of it was stopped")

// decide is called in the worker. A batch has as much time as a job, from when it is handled.
func (b *batcher) decide(e *entry, s task.Status) Decision {
	if s == task.Timeout {
		if left := e.incarnation.batches.TimeLeft(e, e.cfg.taskTimeout()); left > 0 {
			return Extend(left)
		}
	}
	return Decision{}
}

// stoppedWith returns the reason of a job without a result, because the job that led its batch was
// stopped. If that was for a reason of the leader's own, this job is only interrupted. Otherwise
// the reason concerns both: time, a drain, or a goroutine of the function that failed.
func stoppedWith(e *entry, r batching.Result) error {
	f := factsOfCause(jobEntry(r.Leader).toldCause())
	if f.has(factCancelled) || guard.Is(r.Cause, ErrWorkerLost) {
		e.mark(factInterrupted)
		return errInterrupted
	}
	e.mark(f)
	return fmt.Errorf("%w: %w", r.Cause, r.Err)
}
