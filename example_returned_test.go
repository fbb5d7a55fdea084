package gentask_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// The queue for dead letters is unavailable for a while. The message goes back to the broker, and
// its slot is free. When the message comes back, the job is not run again: it was decided, and is
// dead-lettered as soon as there is room.
func ExampleEventKind_returned() {
	ctx, cancel := context.WithCancel(context.Background())
	q := memory.New(memory.Config{Faults: memory.Faults{MaxBody: 4}})
	defer q.Close()
	if err := q.Publish(ctx, queue.Message{ID: "invoice-7", Body: []byte(`"a body that is too large"`)}); err != nil {
		fmt.Println(err)
	}
	go func() {
		_ = q.WaitEmpty(ctx)
		cancel()
	}()
	err := gentask.Run(ctx, q, gentask.Handle(func(context.Context, string) error {
		fmt.Println("runs")
		return gentask.DeadLetter(errors.New("no such customer"))
	}), gentask.Config{OnEvent: func(ev gentask.Event) {
		if ev.Kind == gentask.EventReturned {
			fmt.Println(ev.ID, "returned:", ev.Disposition, "was refused:", errors.Is(ev.Reason, queue.ErrTooLarge))
			q.SetFaults(memory.Faults{})
		}
	}})
	fmt.Println(len(q.DeadLetters()), "dead letter", err)
	// Output:
	// runs
	// invoice-7 returned: dead letter was refused: true
	// 1 dead letter <nil>
}
