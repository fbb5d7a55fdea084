package task_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/task"
)

// A task that returns the error of another has not ended as that did: see Ending.
func ExampleEnding() {
	sys := actor.NewSystem(actor.SystemConfig{})
	s, _ := task.New(task.Config{})
	_ = s.Start(context.Background(), sys)
	defer s.Close(context.Background())

	inner := task.Run(context.Background(), s, time.Minute, func(context.Context) (int, error) { panic("no stamps") })
	outer := task.Run(context.Background(), s, time.Minute,
		func(context.Context) (int, error) { return 0, inner.Reason })

	var p *actor.PanicError
	fmt.Println(inner.Ending, errors.As(inner.Reason, &p))
	fmt.Println(outer.Ending, errors.As(outer.Reason, &p))
	// Output:
	// panicked true
	// returned true
}
