package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
)

// jobs is what the jobs of a trial do.
type jobs struct {
	work  time.Duration
	every int           // of them, one fails once; 0: none
	after time.Duration // until every second one of these is tried again; the others are at once
	gate  *Gate
}

// jobs is what those do that this process runs.
func (tr *Trial) jobs() jobs { return jobs{tr.Work, tr.FailEvery, tr.RetryAfter, &tr.Gate} }

// fails returns what becomes of the k-th message if its job fails, which it does once.
func (j jobs) fails(k, attempt int) (gentask.Decision, bool) {
	if j.every == 0 || k%j.every != 0 || attempt > 1 {
		return gentask.Decision{}, false
	}
	if k/j.every%2 == 0 {
		return gentask.Requeue(0), true
	}
	return gentask.Requeue(j.after), true
}

// takes waits until a job has done its work.
func (j jobs) takes(ctx context.Context) error {
	timer := time.NewTimer(j.work)
	defer timer.Stop()
	select {
	case <-timer.C:
		return j.gate.pass(ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// behavior runs jobs, and marks what it sees.
func behavior(node string, j jobs, mark func(Mark)) gentask.Behavior {
	return gentask.Handle(func(ctx context.Context, k int) error {
		job, _ := gentask.FromContext(ctx)
		m := Mark{Kind: ran, ID: job.ID(), Again: job.Redelivered() || job.Attempt() > 1, At: time.Now(), Node: node}
		mark(m)
		if err := j.takes(ctx); err != nil {
			return err
		}
		m.Kind, m.At = done, time.Now()
		d, fails := j.fails(k, job.Attempt())
		if fails {
			m.Kind = failed
		}
		mark(m)
		if fails {
			return d
		}
		return nil
	})
}

// Gate holds jobs back while it is shut. The zero Gate is open. It is safe for concurrent use.
type Gate struct {
	mu   sync.Mutex
	shut chan struct{}
}

// Shut holds back jobs from now on.
func (g *Gate) Shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == nil {
		g.shut = make(chan struct{})
	}
}

// Open lets all pass.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}

// pass waits until the gate is open.
func (g *Gate) pass(ctx context.Context) error {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut == nil {
		return nil
	}
	select {
	case <-shut:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// acks marks what the broker has taken.
func acks(node string, mark func(Mark)) func(gentask.Event) {
	return func(ev gentask.Event) {
		if ev.Kind == gentask.EventDone && ev.Disposition == queue.Ack {
			mark(Mark{Kind: took, ID: ev.ID, At: ev.Time, Node: node})
		}
	}
}

// workerConfig is what a worker process is told.
type workerConfig struct {
	Kind        Kind
	URL, Queue  string
	Node        string
	Concurrency int
	Work        time.Duration
}

// Child plays the role that this process was started for, and reports whether it was started by
// this package. TestMain must call it first.
func Child() bool {
	role, config := os.Getenv(roleEnv), os.Getenv(configEnv)
	var err error
	switch role {
	case "":
		return false
	case "jetstream":
		err = serve(config)
	case "worker":
		err = consume(config)
	case "node":
		err = runNode(config)
	case "parent":
		err = parent()
	default:
		err = fmt.Errorf("chaos: no such role: %q", role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// parent is the role of a test process that is killed: it starts a server, and prints its address.
func parent() error {
	if err := os.Unsetenv(roleEnv); err != nil {
		return err
	}
	j, err := StartJetStream(1)
	if err != nil {
		return err
	}
	if _, err := fmt.Println(j.URL(0), j.home.dir); err != nil {
		return err
	}
	select {}
}

// consume is the role of a worker process: it ends when it is killed. Each mark is one write, and
// so arrives whole or not at all.
func consume(config string) error {
	var c workerConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	e, err := Open(c.Kind, c.URL, c.Queue)
	if err != nil {
		return err
	}
	mark := func(m Mark) {
		line, err := json.Marshal(m)
		if err == nil {
			_, _ = os.Stdout.Write(append(line, '\n')) // the reader may be gone
		}
	}
	return gentask.Run(context.Background(), e, behavior(c.Node, jobs{work: c.Work, gate: &Gate{}}, mark), gentask.Config{
		Name: c.Node, Concurrency: c.Concurrency, Prefetch: 2 * c.Concurrency, Retry: gentask.Retry{MaxAttempts: -1}, OnEvent: acks(c.Node, mark),
	})
}
