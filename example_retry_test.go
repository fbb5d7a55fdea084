package gentask_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gentask/gentask"
)

var (
	errNoSuchUser = errors.New("no such user")
	errBusy       = errors.New("server busy")
)

// The first rule that matches decides. What no rule is for goes on as it would without.
func ExampleRetry() {
	q := outbox("anna", "bert", "cora", "dora")
	defer q.Close()
	policy := gentask.Policy{Retry: gentask.Retry{
		Backoff: gentask.ExponentialBackoff(time.Millisecond, time.Second),
		Rules: []gentask.Rule{
			{When: gentask.WhenErrorIs(errNoSuchUser), Do: gentask.Ack()},                                // nothing is left to do
			{When: gentask.WhenErrorIs(errBusy), Backoff: gentask.ConstantBackoff(2 * time.Millisecond)}, // they said when to come again
			{When: gentask.WhenPanic, MaxAttempts: 1},                                                    // a bug: it won't go away by itself
		},
	}}
	fmt.Println(consumed(q, gentask.Handle(func(ctx context.Context, e Email) error {
		job, _ := gentask.FromContext(ctx)
		switch {
		case e.To == "anna":
			return fmt.Errorf("deliver: %w", errNoSuchUser)
		case e.To == "bert":
			panic("index out of range")
		case e.To == "cora" && job.Attempt() == 1:
			return errBusy
		case e.To == "dora":
			return gentask.Permanent(errors.New("mailbox deleted"))
		}
		return nil
	}), gentask.Config{Concurrency: 1, Policy: policy}))
	// Unordered output:
	// anna: exit, ack: deliver: no such user
	// bert: exit, dead letter: gentask: attempt 1 of 1 failed: panic: index out of range
	// cora: exit, requeue: server busy
	// cora: ok, ack
	// dora: exit, dead letter: mailbox deleted
	// <nil>
}
