package gentask_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// account returns a queue with bookings, each with the number of its account in a header.
func account(bookings ...queue.Message) *memory.Queue {
	q := memory.New(memory.Config{})
	if err := q.Publish(context.Background(), bookings...); err != nil {
		fmt.Println(err)
	}
	return q
}

func booking(account, what string) queue.Message {
	return queue.Message{ID: account + " " + what, Headers: map[string]string{"account": account}, Body: []byte(what)}
}

// worked consumes the queue until it is empty.
func worked(q *memory.Queue, behavior gentask.Behavior, cfg gentask.Config) error {
	c, err := gentask.New(q, behavior, cfg)
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	if err := q.WaitEmpty(context.Background()); err != nil {
		return err
	}
	_, err = c.Stop(context.Background())
	return err
}

// Bookings of the same account run in order: while a booking waits for its next attempt, later ones
// wait, too. Other accounts go on.
func ExampleOrder() {
	q := account(booking("1001", "open"), booking("1001", "pay in"), booking("1001", "pay out"), booking("1002", "open"))
	defer q.Close()
	fmt.Println(worked(q, gentask.Handle(func(ctx context.Context, what string) error {
		job, _ := gentask.FromContext(ctx)
		fmt.Println(job.ID(), job.Attempt())
		if what == "pay in" && job.Attempt() < 3 {
			return errors.New("bank is closed")
		}
		return nil
	}), gentask.Config{
		Concurrency: 1,
		Prefetch:    10, // only held messages are in order
		Retry:       gentask.Retry{Backoff: gentask.Backoff{Base: 100 * time.Millisecond}},
		Policy:      gentask.Policy{Order: gentask.Order{Key: gentask.KeyHeader("account"), Strict: true}},
	}))
	// Output:
	// 1001 open 1
	// 1001 pay in 1
	// 1002 open 1
	// 1001 pay in 2
	// 1001 pay in 3
	// 1001 pay out 1
	// <nil>
}

// A tenant with many messages gets every other turn, and not all of them.
func ExampleFairness() {
	q := account(booking("big", "1"), booking("big", "2"), booking("big", "3"), booking("big", "4"), booking("small", "1"), booking("small", "2"))
	defer q.Close()
	fmt.Println(worked(q, gentask.Handle(func(ctx context.Context, _ string) error {
		job, _ := gentask.FromContext(ctx)
		fmt.Println(job.ID())
		if job.ID() == "big 1" {
			time.Sleep(100 * time.Millisecond) // until all are here
		}
		return nil
	}), gentask.Config{
		Concurrency: 1,
		Prefetch:    10, // only held messages take turns
		Policy:      gentask.Policy{Fairness: gentask.Fairness{Key: gentask.KeyHeader("account")}},
	}))
	// Output:
	// big 1
	// big 2
	// small 1
	// big 3
	// small 2
	// big 4
	// <nil>
}
