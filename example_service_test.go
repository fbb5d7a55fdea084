package gentask_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue/memory"
)

// A service has two probes. Only LivenessHandler restarts its process: while the broker is away,
// the consumer is unready and alive.
func ExampleHealthHandler() {
	q := memory.New(memory.Config{})
	defer q.Close()
	c, err := gentask.New(q, gentask.Handle(func(context.Context, Email) error { return nil }), gentask.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("GET /readyz", gentask.HealthHandler(c))
	mux.Handle("GET /livez", gentask.LivenessHandler(c))

	// A kubelet would send these requests. The consumer doesn't run yet.
	for _, path := range []string{"/readyz", "/livez"} {
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Println(path, answer.Code)
	}
	// Output:
	// /readyz 503
	// /livez 200
}

// A consumer reports its health while Run runs.
func ExampleConsumer_Run() {
	q := outbox("anna")
	defer q.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := gentask.New(q, gentask.Handle(func(_ context.Context, e Email) error {
		fmt.Println("to", e.To)
		cancel() // as a signal would
		return nil
	}), gentask.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Run(ctx), c.Health().State)
	// Output:
	// to anna
	// <nil> stopped
}

// howFar asks a worker for its progress.
type howFar struct{ answer func(percent int) }

// A tool asks the worker of a job, which is a custom actor, for its progress.
func ExampleConsumer_Worker() {
	q := outbox("anna")
	defer q.Close()
	sys, running := actor.NewSystem(actor.SystemConfig{}), make(chan struct{})
	c, err := gentask.New(q, gentask.Actor(func(job gentask.ActorJob[Email]) *actor.Props {
		return actor.FromFunc(func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *actor.Started:
				_ = job.Run(ctx, func(ctx context.Context) (any, error) {
					close(running)
					<-ctx.Done() // it sends
					return nil, ctx.Err()
				})
			case *howFar:
				msg.answer(40)
			}
		})
	}), gentask.Config{System: sys})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	<-running

	worker, err := c.Worker(ctx, "anna")
	if err != nil {
		fmt.Println(err)
		return
	}
	percent, err := actor.Ask(ctx, sys, worker, func(answer func(int)) any { return &howFar{answer: answer} })
	fmt.Println(percent, err)
	if err := c.Cancel(ctx, "anna"); err != nil {
		fmt.Println(err)
	}
	cancel()
	fmt.Println(<-ended)
	// Output:
	// 40 <nil>
	// <nil>
}
