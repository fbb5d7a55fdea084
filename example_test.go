package gentask_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

// Email is a payload.
type Email struct{ To string }

// outbox returns a queue with emails in it. A program would take embedded, rabbitmq or nats, which
// keep them when it ends.
func outbox(to ...string) *memory.Queue {
	q := memory.New(memory.Config{})
	for _, name := range to {
		if err := q.Publish(context.Background(), queue.Message{ID: name, Body: []byte(`{"To":"` + name + `"}`)}); err != nil {
			fmt.Println(err)
		}
	}
	return q
}

// The smallest program: one function, and nothing about acks.
func ExampleRun() {
	q := outbox("anna", "bert")
	defer q.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	sent := 0
	err := gentask.Run(ctx, q, gentask.Handle(func(_ context.Context, e Email) error {
		fmt.Println("to", e.To)
		if sent++; sent == 2 {
			cancel() // as a signal would: Run drains, and returns
		}
		return nil
	}), gentask.Config{Concurrency: 1})
	fmt.Println(err, q.Stats().Acked)
	// Output:
	// to anna
	// to bert
	// <nil> 2
}

// A job that panics, hangs or fails is tried again with back-off, and dead-lettered in the end.
func ExampleHandle() {
	q := outbox("anna")
	defer q.Close()
	fmt.Println(consumed(q, gentask.Handle(func(ctx context.Context, _ Email) error {
		job, _ := gentask.FromContext(ctx)
		switch job.Attempt() {
		case 1:
			return errors.New("connection refused")
		case 2:
			panic("index out of range")
		default:
			<-ctx.Done() // hangs
			return ctx.Err()
		}
	}), gentask.Config{Timeout: 100 * time.Millisecond, Retry: gentask.Retry{MaxAttempts: 3, Backoff: gentask.Backoff{Base: time.Millisecond}}}))
	for _, letter := range q.DeadLetters() {
		fmt.Println(letter.ID, letter.Headers[queue.HeaderReason])
	}
	// Output:
	// anna: exit, requeue: connection refused
	// anna: exit, requeue: panic: index out of range
	// anna: timeout, dead letter: gentask: attempt 3 of 3 failed: task: timeout: context deadline exceeded
	// <nil>
	// anna gentask: attempt 3 of 3 failed: task: timeout: context deadline exceeded
}

// consumed runs a consumer until its queue is empty, and prints how each delivery ended.
func consumed(q *memory.Queue, behavior gentask.Behavior, cfg gentask.Config) error {
	cfg.OnEvent = func(ev gentask.Event) {
		switch {
		case ev.Kind != gentask.EventDone:
		case ev.Reason == nil:
			fmt.Printf("%s: %v, %v\n", ev.ID, ev.Outcome, ev.Disposition)
		default:
			fmt.Printf("%s: %v, %v: %v\n", ev.ID, ev.Outcome, ev.Disposition, ev.Reason)
		}
	}
	c, err := gentask.New(q, behavior, cfg)
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	if err := q.WaitEmpty(context.Background()); err != nil {
		return err
	}
	_, err = c.Stop(context.Background())
	return err
}

var errBadAddress = errors.New("bad address")

// Mailer is the full behaviour, as in GenTask.
type Mailer struct{}

// Run is the risky part.
func (Mailer) Run(_ context.Context, e Email) (string, error) {
	if e.To == "nobody" {
		return "", errBadAddress
	}
	return "receipt for " + e.To, nil
}

// HandleResult decides what becomes of the delivery.
func (Mailer) HandleResult(job gentask.Job[Email], o task.Outcome[string]) gentask.Decision {
	switch o.Status {
	case task.OK:
		fmt.Println(o.Value)
		return gentask.Ack()
	case task.Exit:
		if errors.Is(o.Reason, errBadAddress) {
			return gentask.DeadLetter(o.Reason)
		}
		return gentask.Requeue(job.Backoff())
	case task.Timeout:
		return gentask.Extend(10 * time.Second)
	}
	return gentask.Decision{}
}

func ExampleWork() {
	q := outbox("anna", "nobody")
	defer q.Close()
	fmt.Println(consumed(q, gentask.Work(Mailer{}), gentask.Config{Concurrency: 1}))
	// Unordered output:
	// receipt for anna
	// anna: ok, ack
	// nobody: exit, dead letter: bad address
	// <nil>
}

// The worker is an actor of one's own: it gets the outcome as a message, like any other.
func ExampleActor() {
	q := outbox("anna")
	defer q.Close()
	type progress struct{ percent int }
	behavior := gentask.Actor(func(job gentask.ActorJob[Email]) *actor.Props {
		return actor.FromFunc(func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *actor.Started:
				sys, self := ctx.ActorSystem(), ctx.Self()
				err := job.Run(ctx, func(context.Context) (any, error) {
					actor.Send(sys, self, progress{percent: 50})
					return "receipt for " + job.Payload().To, nil
				})
				if err != nil {
					ctx.Stop(ctx.Self()) // the default policy decides
				}
			case progress:
				fmt.Println(msg.percent, "%")
			case *task.Outcome[any]:
				fmt.Println(msg.Value)
				_ = job.Settle(gentask.Ack())
				ctx.Stop(ctx.Self())
			}
		})
	})
	fmt.Println(consumed(q, behavior, gentask.Config{}))
	// Output:
	// 50 %
	// receipt for anna
	// anna: ok, ack
	// <nil>
}

// A consumer can be watched, paused and drained.
func ExampleConsumer() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	q := outbox("anna", "bert", "cora")
	defer q.Close()
	running, finish := make(chan string, 3), make(chan struct{})
	c, err := gentask.New(q, gentask.Handle(func(_ context.Context, e Email) error {
		running <- e.To
		<-finish
		return nil
	}), gentask.Config{Concurrency: 1, Prefetch: 3, OnEvent: func(ev gentask.Event) {
		if ev.Kind == gentask.EventDraining {
			close(finish) // what runs may finish, what waits goes back to the queue
		}
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := c.Start(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-running, "runs; healthy:", c.Health().Healthy())

	fmt.Println("pause:", c.Pause(ctx), c.Health().State)
	fmt.Println("resume:", c.Resume(ctx), c.Health().State)

	report, err := c.Stop(ctx)
	fmt.Println("finished:", report.Finished, "cancelled:", report.Cancelled, err)
	fmt.Println(c.Health().State)
	// Output:
	// anna runs; healthy: true
	// pause: <nil> paused
	// resume: <nil> consuming
	// finished: 1 cancelled: [] <nil>
	// stopped
}
