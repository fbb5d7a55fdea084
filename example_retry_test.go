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

// A function returns a decision as its error, or wrapped in one.
func ExampleDecision() {
	q := outbox("anna", "bert", "cora")
	defer q.Close()
	fmt.Println(consumed(q, gentask.Handle(func(ctx context.Context, e Email) error {
		job, _ := gentask.FromContext(ctx)
		switch {
		case job.Redelivered():
			return nil
		case e.To == "anna":
			return gentask.DeadLetter(errNoSuchUser)
		case e.To == "bert":
			return fmt.Errorf("quiet hours: %w", gentask.Snooze(time.Millisecond))
		}
		// The server asked for this wait.
		return errors.Join(errBusy, gentask.Requeue(time.Millisecond))
	}), gentask.Config{Concurrency: 1}))
	// Unordered output:
	// anna: exit, dead letter: no such user
	// bert: exit, release: quiet hours: gentask: snooze 1ms
	// bert: ok, ack
	// cora: exit, requeue: server busy
	// gentask: requeue after 1ms
	// cora: ok, ack
	// <nil>
}

// The first rule that matches decides. Without a match, the default policy goes on.
func ExampleRetry() {
	q := outbox("anna", "bert", "cora", "dora")
	defer q.Close()
	retry := gentask.Retry{
		MaxAttempts: 10,
		Backoff:     gentask.Backoff{Base: time.Millisecond, Max: time.Second},
		Rules: []gentask.Rule{
			// Nothing is left to do.
			{When: gentask.WhenErrorIs(errNoSuchUser), Do: gentask.Ack()},
			// The server asked for this wait.
			{When: gentask.WhenErrorIs(errBusy), Backoff: gentask.ConstantBackoff(2 * time.Millisecond)},
			// A panic is a bug, which another attempt doesn't mend.
			{When: gentask.WhenPanic, MaxAttempts: 1},
		},
	}
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
			return gentask.DeadLetter(errors.New("mailbox deleted"))
		}
		return nil
	}), gentask.Config{Concurrency: 1, Retry: retry}))
	// Unordered output:
	// anna: exit, ack: deliver: no such user
	// bert: exit, dead letter: gentask: attempt 1 of 1 failed: panic: index out of range
	// cora: exit, requeue: server busy
	// cora: ok, ack
	// dora: exit, dead letter: mailbox deleted
	// <nil>
}
