package gentask_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask"
)

// Each account may book twice a second. Other accounts don't wait for it.
func ExampleKeyRate() {
	q := account(booking("1001", "open"), booking("1001", "pay in"), booking("1002", "open"))
	defer q.Close()
	fmt.Println(worked(q, gentask.Handle(func(ctx context.Context, _ string) error {
		job, _ := gentask.FromContext(ctx)
		fmt.Println(job.ID())
		return nil
	}), gentask.Config{
		Concurrency: 1,
		Prefetch:    10, // only held messages can be overtaken
		Policy: gentask.Policy{
			KeyRate: gentask.KeyRate{Key: gentask.KeyHeader("account"), Rate: gentask.Rate{PerSecond: 2, Burst: 1}},
		},
	}))
	// Output:
	// 1001 open
	// 1002 open
	// 1001 pay in
	// <nil>
}

// The bank of account 1001 is closed for a while. After two failures its bookings are given back
// until the next probe, and the other account goes on.
func ExampleKeyBreaker() {
	q := account(booking("1001", "open"), booking("1001", "pay in"), booking("1002", "open"))
	defer q.Close()
	var tries atomic.Int64
	fmt.Println(worked(q, gentask.Handle(func(ctx context.Context, _ string) error {
		job, _ := gentask.FromContext(ctx)
		if job.Headers()["account"] == "1001" {
			if tries.Add(1) <= 2 {
				return errors.New("bank is closed")
			}
		}
		return nil
	}), gentask.Config{
		Concurrency: 1,
		Retry:       gentask.Retry{Backoff: gentask.Backoff{Base: time.Millisecond}},
		Policy: gentask.Policy{KeyBreaker: gentask.KeyBreaker{
			Key: gentask.KeyHeader("account"),
			Breaker: gentask.Breaker{
				FailureRate: 0.5, MinRuns: 2, Wait: gentask.Backoff{Base: 200 * time.Millisecond, Max: 200 * time.Millisecond},
			},
		}},
		OnEvent: func(ev gentask.Event) {
			switch ev.Kind { // the others are of no interest
			case gentask.EventBreakerOpened, gentask.EventBreakerProbing, gentask.EventBreakerClosed:
				fmt.Println(ev.Kind, "for", ev.Key)
			}
		},
	}))
	// Output:
	// breaker opened for 1001
	// breaker probing for 1001
	// breaker closed for 1001
	// <nil>
}
