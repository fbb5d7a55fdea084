package gentasktest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/gentasktest"
)

// t stands for the *testing.T of a test.
var t = &failing{}

func Example() {
	divide := gentask.Handle(func(_ context.Context, by int) error {
		fmt.Println(12 / by)
		return nil
	})

	for _, by := range []any{4, 0, "four"} {
		got := gentasktest.Run(t, divide, gentasktest.JSON(t, by), gentask.Config{})
		fmt.Println(got.Disposition, got.Reason)
	}
	// Output:
	// 3
	// ack <nil>
	// requeue panic: runtime error: integer divide by zero
	// dead letter gentask: decode payload into int: invalid character 'o' in literal false (expecting 'a')
}

func ExampleAttempt() {
	fail := gentask.Handle(func(context.Context, int) error { return fmt.Errorf("the third-party service is down") })

	got := gentasktest.Run(t, fail, gentasktest.Attempt(gentasktest.JSON(t, 1), 25), gentask.Config{})
	fmt.Println(got.Disposition, got.Reason)
	// Output: dead letter gentask: attempt 25 of 25 failed: the third-party service is down
}

func ExampleFinish() {
	down := 2
	flaky := gentask.Handle(func(context.Context, int) error {
		if down--; down >= 0 {
			return fmt.Errorf("the third-party service is down")
		}
		return nil
	})

	for _, got := range gentasktest.Finish(t, flaky, gentasktest.JSON(t, 1), gentask.Config{
		Retry: gentask.Retry{Backoff: gentask.Backoff{Base: time.Millisecond}},
	}) {
		fmt.Println(got.Attempt, got.Outcome, got.Disposition, got.Reason)
	}
	// Output:
	// 1 exit requeue the third-party service is down
	// 2 exit requeue the third-party service is down
	// 3 ok ack <nil>
}

// A probe stands for the actors that the one under test sends to.
func ExampleProbe() {
	sys := actor.NewSystem(actor.SystemConfig{})
	probe := gentasktest.NewProbe(t, sys)
	defer probe.Stop() // with a *testing.T it ends with the test

	doubler := actor.SpawnRoot(sys, actor.FromFunc(func(ctx actor.Context) {
		switch m := ctx.Message().(type) {
		case int:
			ctx.Respond(2 * m)
		case string:
			panic("no number: " + m)
		}
	}), "doubler")
	probe.Watch(doubler)

	probe.Send(doubler, 21)
	fmt.Println(gentasktest.Expect[int](probe, time.Second))
	probe.Send(doubler, "x")
	fmt.Println(probe.ExpectExit(doubler, time.Second))
	probe.ExpectSilence(10 * time.Millisecond)
	// Output:
	// 42
	// panic: no number: x
}
