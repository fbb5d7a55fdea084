package task_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gentask/gentask/task"
)

func ExampleAwaitAll() {
	ctx := context.Background()
	s := supervisor()
	defer s.Close(ctx)

	var squares []*task.Task[int]
	for i := range 4 {
		t, err := task.Start(ctx, s, func(context.Context) (int, error) { return i * i, nil })
		if err != nil {
			fmt.Println(err)
			return
		}
		squares = append(squares, t)
	}
	fmt.Println(task.AwaitAll(ctx, squares, task.AllOptions{Late: task.LateIsShutDown}))
	// Output:
	// [0 1 4 9] <nil>
}

// The first answer is enough: the slower mirrors are shut down.
func ExampleYieldAll() {
	ctx := context.Background()
	s := supervisor()
	defer s.Close(ctx)

	ask := func(mirror string, answers bool) *task.Task[string] {
		t, err := task.Start(ctx, s, func(ctx context.Context) (string, error) {
			if !answers {
				<-ctx.Done()
				return "", ctx.Err()
			}
			return mirror, nil
		})
		if err != nil {
			panic(err)
		}
		return t
	}
	mirrors := []*task.Task[string]{ask("near", false), ask("far", true)}
	first := task.AllOptions{Limit: 1, Late: task.LateIsShutDown, Grace: time.Second}
	for _, o := range task.YieldAll(mirrors, time.Minute, first) {
		fmt.Printf("%v %q\n", o.Status, o.Value)
	}
	// Output:
	// exit ""
	// ok "far"
}

func ExampleStreamItems() {
	ctx := context.Background()
	s := supervisor()
	defer s.Close(ctx)

	addresses := slices.Values([]string{"anna@example.org", "nobody", "otto@example.org"})
	send := func(_ context.Context, address string) (int, error) {
		if address == "nobody" {
			return 0, errors.New("no such address")
		}
		return len(address), nil
	}
	for address, o := range task.StreamItems(ctx, s, addresses, send, task.StreamOptions{}) {
		if o.Status != task.OK {
			fmt.Println(address, "failed:", o.Reason)
		}
	}
	// Output:
	// nobody failed: no such address
}

// The context of a task has its deadline, and shows that a timeout has ended it.
func ExampleSupervisor_Spawn_deadline() {
	ctx := context.Background()
	s := supervisor()
	defer s.Close(ctx)

	begin := time.Now()
	t, err := s.Spawn(task.Spec{Timeout: time.Minute, Run: func(ctx context.Context) (any, error) {
		deadline, _ := ctx.Deadline()
		fmt.Println("time:", deadline.Sub(begin).Round(time.Second))
		<-ctx.Done()
		fmt.Println("error:", ctx.Err())
		fmt.Println("cause:", context.Cause(ctx))
		return nil, ctx.Err()
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	t.Yield(10 * time.Millisecond)
	t.Stop(task.ErrTimeout, time.Second)
	fmt.Println(errors.Is(t.Yield(task.Forever).Reason, context.DeadlineExceeded))
	// Output:
	// time: 1m0s
	// error: context deadline exceeded
	// cause: task: timeout
	// true
}
