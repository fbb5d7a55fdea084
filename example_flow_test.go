package gentask_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue/memory"
)

// The mail server is down. After two failures only single probes run, until the third one succeeds.
func ExampleBreaker() {
	q := outbox("anna", "bert", "cora", "dora")
	defer q.Close()
	var tries atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err := gentask.Run(ctx, q, gentask.Handle(func(context.Context, Email) error {
		if tries.Add(1) < 5 {
			return errors.New("connection refused")
		}
		return nil
	}), gentask.Config{
		Concurrency: 1,
		Retry:       gentask.Retry{Backoff: gentask.Backoff{Base: time.Millisecond}},
		Policy: gentask.Policy{Breaker: gentask.Breaker{
			FailureRate: 0.5, MinRuns: 2, Wait: gentask.Backoff{Base: 20 * time.Millisecond, Max: 20 * time.Millisecond},
		}},
		OnEvent: func(ev gentask.Event) {
			switch ev.Kind { // the others are of no interest
			case gentask.EventBreakerOpened:
				fmt.Println(ev.Kind, "-", ev.Reason)
			case gentask.EventBreakerProbing:
				fmt.Println(ev.Kind)
			case gentask.EventBreakerClosed:
				fmt.Println(ev.Kind)
				cancel()
			}
		},
	})
	fmt.Println(err)
	// Output:
	// breaker opened - connection refused
	// breaker probing
	// breaker opened - connection refused
	// breaker probing
	// breaker opened - connection refused
	// breaker probing
	// breaker closed
	// <nil>
}

// At most twenty runs start each second, five of them at once. The rate is changed while the
// consumer runs.
func ExampleConsumer_SetRate() {
	q := outbox("anna", "bert", "cora")
	defer q.Close()
	c, err := gentask.New(q, gentask.Handle(func(context.Context, Email) error { return nil }), gentask.Config{
		Policy: gentask.Policy{Rate: gentask.Rate{PerSecond: 20, Burst: 5}},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Start(); err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	fmt.Println(c.SetRate(ctx, gentask.Rate{PerSecond: 1000}))
	fmt.Println(c.SetRate(ctx, gentask.Rate{PerSecond: -1}))
	if err := q.WaitEmpty(ctx); err != nil {
		log.Fatal(err)
	}
	if _, err := c.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// <nil>
	// gentask: bad config: SetRate: PerSecond is -1; want 0 for no limit, or more
}

// More jobs may run at night.
func ExampleConsumer_SetConcurrency() {
	q := outbox("anna")
	defer q.Close()
	c, err := gentask.New(q, gentask.Handle(func(context.Context, Email) error { return nil }), gentask.Config{Concurrency: 5, Prefetch: 50})
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Start(); err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	fmt.Println(c.SetConcurrency(ctx, 50), c.Health().Concurrency)
	fmt.Println(c.SetConcurrency(ctx, 500))
	if _, err := c.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// <nil> 50
	// gentask: bad config: SetConcurrency to 500; want 1 to 50, which is Config.Prefetch
}

// Between two and a hundred jobs run at a time: as many as the mail server takes without becoming
// slower.
func ExampleAdaptive() {
	q := outbox("anna", "bert", "cora")
	defer q.Close()
	c, err := gentask.New(q, gentask.Handle(func(context.Context, Email) error { return nil }), gentask.Config{
		Concurrency: 100,
		Policy:      gentask.Policy{Adaptive: gentask.Adaptive{Min: 2}},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Start(); err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := q.WaitEmpty(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("for a beginning:", c.Health().Concurrency)
	if _, err := c.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: for a beginning: 2
}

// Two queues share four slots. While both have work, urgent mail has three of them.
func ExamplePool() {
	pool := gentask.NewPool(4)
	ctx := context.Background()
	send := gentask.Handle(func(context.Context, Email) error { return nil })
	var consumers []*gentask.Consumer
	for name, weight := range map[string]int{"urgent": 3, "newsletter": 1} {
		q := memory.New(memory.Config{Name: name})
		defer q.Close()
		c, err := gentask.New(q, send, gentask.Config{Name: name, Policy: gentask.Policy{Pool: gentask.PoolShare{Slots: pool, Weight: weight}}})
		if err != nil {
			log.Fatal(err)
		}
		if err := c.Start(); err != nil {
			log.Fatal(err)
		}
		consumers = append(consumers, c)
	}
	for _, c := range consumers {
		if _, err := c.Stop(ctx); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(pool.InUse(), "of", pool.Size())
	// Output: 0 of 4
}
