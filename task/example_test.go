package task_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/task"
)

func supervisor() *task.Supervisor {
	s, err := task.New(task.Config{})
	if err != nil {
		panic(err)
	}
	if err := s.Start(context.Background(), actor.NewSystem(actor.SystemConfig{})); err != nil {
		panic(err)
	}
	return s
}

func ExampleRun() {
	ctx := context.Background()
	s := supervisor()
	defer s.Close(ctx)

	divide := func(a, b int) task.Outcome[int] {
		return task.Run(ctx, s, time.Second, func(context.Context) (int, error) { return a / b, nil })
	}
	for _, b := range []int{2, 0} {
		switch o := divide(6, b); o.Status {
		case task.OK:
			fmt.Println("value:", o.Value)
		case task.Exit:
			fmt.Println("exit:", o.Reason)
		case task.Timeout:
			o.Task.Shutdown(task.Brutal)
		}
	}
	// Output:
	// value: 3
	// exit: panic: runtime error: integer divide by zero
}

func ExampleTask_Yield() {
	ctx := context.Background()
	s := supervisor()
	defer s.Close(ctx)

	answer := make(chan int)
	t, err := task.Start(ctx, s, func(context.Context) (int, error) { return <-answer, nil })
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(t.Yield(10 * time.Millisecond).Status)
	answer <- 42
	o := t.Yield(time.Minute)
	fmt.Println(o.Status, o.Value)
	// Output:
	// timeout
	// ok 42
}

func ExampleStream() {
	ctx := context.Background()
	s := supervisor()
	defer s.Close(ctx)

	words := slices.Values([]string{"one", "three", "", "eleven"})
	length := func(_ context.Context, word string) (int, error) {
		if word == "" {
			return 0, errors.New("no word")
		}
		return len(word), nil
	}
	for i, o := range task.Stream(ctx, s, words, length, task.StreamOptions{Concurrency: 2, Timeout: time.Minute}) {
		fmt.Println(i, o.Status, o.Value, o.Reason)
	}
	// Output:
	// 0 ok 3 <nil>
	// 1 ok 5 <nil>
	// 2 exit 0 no word
	// 3 ok 6 <nil>
}

func ExampleGo() {
	ctx := context.Background()
	s := supervisor()
	defer s.Close(ctx)

	o := task.Run(ctx, s, 0, func(ctx context.Context) (string, error) {
		err := task.Go(ctx, func(context.Context) error { panic("in a goroutine") })
		if err != nil {
			return "", err
		}
		<-ctx.Done() // the failure of a goroutine cancels the task
		return "", ctx.Err()
	})
	fmt.Println(o.Status, o.Reason)
	// Output:
	// exit panic: in a goroutine
}
