package wasm_test

import (
	"context"
	"fmt"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/isolate/wasm"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

func Example() {
	// echo is a module that answers with the body of the job.
	limits := wasm.Config{Memory: 16 << 20, Fuel: 100_000_000, MaxReply: 100}
	requests := memory.New(memory.Config{})
	ctx, stop := context.WithCancel(context.Background())
	answers := make(chan string, 2)
	answer := wasm.Work(echo, func(job gentask.Job[gentask.Raw], o task.Outcome[[]byte]) gentask.Decision {
		if o.Status == task.OK {
			answers <- fmt.Sprintf("%s: %s", job.ID(), o.Value)
			return gentask.Ack()
		}
		answers <- fmt.Sprintf("%s: %v", job.ID(), o.Reason)
		return gentask.DeadLetter(o.Reason)
	}, limits)
	_ = requests.Publish(ctx,
		queue.Message{ID: "honest", Body: []byte("hello")},
		queue.Message{ID: "hostile", Body: make([]byte, 101)},
	)
	go func() {
		fmt.Println(<-answers)
		fmt.Println(<-answers)
		stop()
	}()
	err := gentask.Run(ctx, requests, answer, gentask.Config{Concurrency: 1, Logger: quiet})
	fmt.Println(err)
	// Output:
	// honest: hello
	// hostile: wasm: the result of the guest is too large; want at most 100 bytes
	// <nil>
}
