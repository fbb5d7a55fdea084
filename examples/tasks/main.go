// Tasks shows supervised tasks without a queue: Run, Yield, Shutdown and Stream.
//
//	go run ./examples/tasks
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/terminal"
	"github.com/gentask/gentask/task"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "tasks:", terminal.Text(err.Error()))
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	tasks, err := task.New(task.Config{})
	if err != nil {
		return err
	}
	if err := tasks.Start(ctx, actor.NewSystem(actor.SystemConfig{})); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tasks.Close(ctx)) }()

	// A value, and a panic: the caller is not harmed.
	answer := task.Run(ctx, tasks, time.Second, func(context.Context) (int, error) { return 6 * 7, nil })
	fmt.Fprintln(out, "run:", answer.Status, answer.Value)
	broken := task.Run(ctx, tasks, time.Second, func(context.Context) (int, error) { panic("no luck") })
	fmt.Fprintln(out, "run:", broken.Status, broken.Reason)

	// A task that outlives its time goes on: ask again, as often as you like.
	release := make(chan struct{})
	slow := task.Run(ctx, tasks, time.Millisecond, func(context.Context) (string, error) {
		<-release
		return "late, but here", nil
	})
	fmt.Fprintln(out, "yield:", slow.Status)
	close(release)
	slow = slow.Task.Yield(time.Second)
	fmt.Fprintln(out, "yield:", slow.Status, slow.Value)

	// One that is not wanted any more is stopped, by its context.
	stopped, err := task.Start(ctx, tasks, func(ctx context.Context) (string, error) {
		<-ctx.Done()
		return "", context.Cause(ctx)
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "shutdown:", stopped.Shutdown(time.Second).Reason)

	// Many, a few at a time, in order.
	squares := task.Stream(ctx, tasks, slices.Values([]int{1, 2, 3, 4, 5}), func(_ context.Context, n int) (int, error) {
		if n == 3 {
			return 0, errors.New("three is out of order")
		}
		return n * n, nil
	}, task.StreamOptions{Concurrency: 2})
	for i, square := range squares {
		fmt.Fprintln(out, "stream:", i, square.Status, square.Value)
	}
	return nil
}
