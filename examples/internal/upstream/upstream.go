// Package upstream is the scenario that GenTask shows itself with: a hundred jobs, of which each
// run panics with probability one half and else takes 100 ms. It runs on any queue, and shows its
// progress.
package upstream

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"sync"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// Queue is where the jobs come from.
type Queue interface {
	queue.Source
	queue.Publisher
}

// Config configures Run. Everything must be set but Seed.
type Config struct {
	Jobs     int
	Prefetch int
	Work     time.Duration // of a run that doesn't panic
	Timeout  time.Duration
	Seed     uint64
	// Left is how many jobs an earlier run has left in the queue; with none, Run publishes Jobs new
	// ones.
	Left int
	// Terminal reports that Out is a terminal, so that the progress can be drawn in place.
	Terminal bool
	Out      io.Writer
}

// Result is what became of the jobs.
type Result struct {
	Acked, Panics, Requeues, Lost, Restarts int
	Took                                    time.Duration
}

// job is what is published.
type job struct {
	Number int
}

// worker is the behaviour: a risky part that panics every other time, and a handler that tries
// again at once.
type worker struct {
	cfg   Config
	tally *tally
}

// Run is the risky part.
func (w *worker) Run(ctx context.Context, j job) (struct{}, error) {
	self, _ := gentask.FromContext(ctx)
	if unlucky(w.cfg.Seed, self.ID(), self.Attempt()) {
		w.tally.panicked()
		panic(fmt.Sprintf("job %d: no luck", j.Number))
	}
	select {
	case <-time.After(w.cfg.Work):
		return struct{}{}, nil
	case <-ctx.Done():
		return struct{}{}, context.Cause(ctx)
	}
}

// HandleResult gets its outcome.
func (w *worker) HandleResult(_ gentask.Job[job], o task.Outcome[struct{}]) gentask.Decision {
	switch o.Status {
	case task.OK:
		return gentask.Ack()
	case task.Exit, task.Timeout:
	}
	return gentask.Requeue(0)
}

// unlucky tosses the same coin for the same run, whenever it is asked.
func unlucky(seed uint64, id string, attempt int) bool {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s/%d", seed, id, attempt)
	return h.Sum64()>>40&1 == 1
}

// Run publishes the jobs, unless some are left, and works until all are acknowledged. When ctx
// ends, it drains and returns what was done so far.
func Run(ctx context.Context, q Queue, cfg Config) (Result, error) {
	t := &tally{left: cfg.Left, done: make(chan struct{}), acked: map[string]bool{}}
	c, err := gentask.New(q, gentask.Work[job, struct{}](&worker{cfg: cfg, tally: t}), gentask.Config{
		Name: "upstream", Concurrency: cfg.Prefetch, Prefetch: cfg.Prefetch, Timeout: cfg.Timeout,
		Retry: gentask.Retry{MaxAttempts: -1}, OnEvent: t.event,
	})
	if err != nil {
		return Result{}, err
	}
	if cfg.Left > 0 {
		fmt.Fprintf(cfg.Out, "%d jobs were left by an earlier run; going on with them\n", cfg.Left)
	} else {
		if err := publish(ctx, q, cfg.Jobs); err != nil {
			return Result{}, err
		}
		t.left = cfg.Jobs
		fmt.Fprintf(cfg.Out, "published %d jobs\n", cfg.Jobs)
	}
	start := time.Now()
	if err := c.Start(); err != nil {
		return Result{}, err
	}
	err = watch(ctx, c, t, cfg)
	took := time.Since(start)
	if _, stopErr := c.Stop(context.WithoutCancel(ctx)); stopErr != nil {
		return Result{}, stopErr
	}
	return t.result(took), err
}

func publish(ctx context.Context, q queue.Publisher, n int) error {
	if n < 1 {
		return fmt.Errorf("jobs is %d; want 1 or more", n)
	}
	msgs := make([]queue.Message, n)
	for i := range msgs {
		msgs[i] = queue.Message{Body: fmt.Appendf(nil, `{"Number":%d}`, i+1), ContentType: "application/json"}
	}
	return q.Publish(ctx, msgs...)
}

// watch shows the progress until the jobs are done.
func watch(ctx context.Context, c *gentask.Consumer, t *tally, cfg Config) error {
	every := time.Second
	if cfg.Terminal {
		every = 100 * time.Millisecond
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-t.done:
			t.show(cfg)
			return nil
		case <-c.Done():
			return c.Err()
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			t.show(cfg)
		}
	}
}

// tally counts what happens.
type tally struct {
	mu     sync.Mutex
	left   int
	done   chan struct{} // closed when nothing is left
	acked  map[string]bool
	counts Result
}

func (t *tally) panicked() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Panics++
}

func (t *tally) event(ev gentask.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch ev.Kind {
	case gentask.EventDone:
		t.settled(ev)
	case gentask.EventWorkersLost, gentask.EventHealed, gentask.EventGaveUp:
		t.counts.Restarts++
	default: // not counted
	}
}

func (t *tally) settled(ev gentask.Event) {
	switch ev.Disposition {
	case queue.Ack:
		if t.acked[ev.ID] {
			return // delivered twice: at least once means that
		}
		t.acked[ev.ID] = true
		t.counts.Acked++
		if t.left--; t.left == 0 {
			close(t.done)
		}
	case queue.Requeue:
		t.counts.Requeues++
	case queue.Release, queue.DeadLetter:
	default:
		t.counts.Lost++
	}
}

func (t *tally) result(took time.Duration) Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.counts
	r.Took = took
	return r
}

// show draws one line of progress.
func (t *tally) show(cfg Config) {
	t.mu.Lock()
	defer t.mu.Unlock()
	begin, end := "", "\n"
	if cfg.Terminal {
		begin, end = "\r", ""
		if t.left <= 0 {
			end = "\n"
		}
	}
	fmt.Fprintf(cfg.Out, "%s%3d acked  %3d panics  %3d requeues  %3d to go%s",
		begin, t.counts.Acked, t.counts.Panics, t.counts.Requeues, t.left, end)
}

// Table writes the result as a table.
func (r Result) Table(w io.Writer) {
	fmt.Fprintf(w, "\n%-22s %8d\n%-22s %8d\n%-22s %8d\n%-22s %8d\n%-22s %8d\n%-22s %7.1fs\n",
		"acked", r.Acked, "panics", r.Panics, "requeues", r.Requeues, "deliveries lost", r.Lost,
		"supervisor restarts", r.Restarts, "took", r.Took.Seconds())
}
