package gentasktest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask"
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
		fmt.Println(got.Settlement, got.Reason)
	}
	// Output:
	// 3
	// ack <nil>
	// requeue panic: runtime error: integer divide by zero
	// dead letter gentask: decode payload into int: invalid character 'o' in literal false (expecting 'a')
}

func ExampleAttempt() {
	fail := gentask.Handle(func(context.Context, int) error { return fmt.Errorf("the third-party service is down") })

	got := gentasktest.Run(t, fail, gentasktest.Attempt(gentasktest.JSON(t, 1), 20), gentask.Config{})
	fmt.Println(got.Settlement, got.Reason)
	// Output: dead letter gentask: attempt 20 of 20 failed: the third-party service is down
}

func ExampleFinish() {
	down := 2
	flaky := gentask.Handle(func(context.Context, int) error {
		if down--; down >= 0 {
			return fmt.Errorf("the third-party service is down")
		}
		return nil
	})

	for _, got := range gentasktest.Finish(t, flaky, gentasktest.JSON(t, 1), gentask.Config{Backoff: gentask.Backoff{Base: time.Millisecond}}) {
		fmt.Println(got.Attempt, got.Outcome, got.Settlement, got.Reason)
	}
	// Output:
	// 1 exit requeue the third-party service is down
	// 2 exit requeue the third-party service is down
	// 3 ok ack <nil>
}
