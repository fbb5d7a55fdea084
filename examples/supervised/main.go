// Supervised shows a consumer as one child of a supervision tree of your own, started after what it
// needs and stopped before it.
//
//	go run ./examples/supervised
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/terminal"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/supervision"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "supervised:", terminal.Text(err.Error()))
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	log := &logger{out: out}
	jobs := memory.New(memory.Config{Name: "jobs"})
	defer jobs.Close()

	consumer, err := gentask.New(jobs, gentask.Handle(func(_ context.Context, name string) error {
		log.printf("job %s", name)
		return nil
	}), gentask.Config{Concurrency: 1})
	if err != nil {
		return err
	}

	// The consumer comes after the database that its jobs need. If the database is restarted, so is
	// the consumer: its jobs that run are drained first.
	tree, err := supervision.Static(supervision.Spec{
		Strategy:  supervision.RestForOne,
		Intensity: supervision.Intensity{Restarts: 3},
		Children: []supervision.ChildSpec{
			{ID: "database", Props: func() *actor.Props { return actor.FromFunc(log.lifecycle("database")) }},
			{ID: "consumer", Props: consumer.Props, Shutdown: supervision.Infinity},
		},
	})
	if err != nil {
		return err
	}
	system := actor.NewSystem(actor.SystemConfig{})
	root := actor.SpawnRoot(system, tree, "app")

	for _, name := range []string{"one", "two", "three"} {
		if err := jobs.Publish(ctx, queue.Message{Body: []byte(name)}); err != nil {
			return err
		}
	}
	if err := jobs.WaitEmpty(ctx); err != nil {
		return err
	}
	reason, err := actor.Shutdown(ctx, system, root)
	if err != nil {
		return err
	}
	log.printf("stopped: %v", reason)
	return nil
}

// logger is written to by jobs and actors alike.
type logger struct {
	mu  sync.Mutex
	out io.Writer
}

func (l *logger) printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.out, format+"\n", args...)
}

// lifecycle is an actor that prints when it starts and stops.
func (l *logger) lifecycle(name string) actor.ReceiveFunc {
	return func(ctx actor.Context) {
		switch ctx.Message().(type) {
		case *actor.Started:
			l.printf("%s started", name)
		case *actor.Stopped:
			l.printf("%s stopped", name)
		}
	}
}
