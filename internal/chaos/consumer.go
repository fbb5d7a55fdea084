package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
)

// behavior runs jobs that take some time, and marks what it sees.
func behavior(node string, work time.Duration, mark func(Mark)) gentask.Behavior {
	return gentask.Handle(func(ctx context.Context, _ int) error {
		job, _ := gentask.FromContext(ctx)
		m := Mark{Kind: ran, ID: job.ID(), Again: job.Redelivered() || job.Attempt() > 1, At: time.Now(), Node: node}
		mark(m)
		timer := time.NewTimer(work)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		m.Kind, m.At = done, time.Now()
		mark(m)
		return nil
	})
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
	return gentask.Run(context.Background(), e, behavior(c.Node, c.Work, mark), gentask.Config{
		Name: c.Node, Concurrency: c.Concurrency, Prefetch: 2 * c.Concurrency, Retry: gentask.Retry{MaxAttempts: -1}, OnEvent: acks(c.Node, mark),
	})
}
