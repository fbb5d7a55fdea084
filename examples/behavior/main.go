// Behavior shows the full behaviour: Run is the risky part, and HandleResult gets its outcome and
// decides what becomes of the delivery.
//
//	go run ./examples/behavior
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/terminal"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

// Email is what is published.
type Email struct {
	To string
}

// Receipt is what a successful run returns.
type Receipt struct {
	ID string
}

// ErrBadAddress will not get better by trying again.
var ErrBadAddress = errors.New("bad address")

// Mailer is the behaviour. One value serves all jobs, so what they share belongs here: connections,
// counters, clients.
type Mailer struct {
	log func(format string, args ...any)
}

// Run is the risky part. It executes in a task of its own: an error, a panic or a hang does not
// harm the worker that holds the delivery.
func (m *Mailer) Run(ctx context.Context, e Email) (Receipt, error) {
	job, _ := gentask.FromContext(ctx)
	switch {
	case e.To == "":
		return Receipt{}, ErrBadAddress
	case e.To == "panic@example.com" && job.Attempt() == 1:
		panic("index out of range")
	case e.To == "slow@example.com":
		select {
		case <-time.After(250 * time.Millisecond):
		case <-ctx.Done():
			return Receipt{}, context.Cause(ctx)
		}
	}
	return Receipt{ID: "receipt-" + e.To}, nil
}

// HandleResult gets the outcome of the task, and decides.
func (m *Mailer) HandleResult(job gentask.Job[Email], o task.Outcome[Receipt]) gentask.Decision {
	to := job.Payload().To
	switch o.Status {
	case task.OK:
		m.log("%-18q ok: %s", to, o.Value.ID)
		return gentask.Ack()
	case task.Exit:
		m.log("%-18q exit: %v", to, o.Reason)
		if errors.Is(o.Reason, ErrBadAddress) {
			return gentask.DeadLetter(o.Reason)
		}
		return gentask.Requeue(50 * time.Millisecond)
	case task.Timeout:
		m.log("%-18q timeout: give it a little longer", to)
		return gentask.Extend(500 * time.Millisecond)
	}
	return gentask.Decision{}
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "behavior:", terminal.Text(err.Error()))
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	emails := memory.New(memory.Config{Name: "emails"})
	defer emails.Close()
	for _, to := range []string{"ann@example.com", "", "panic@example.com", "slow@example.com"} {
		body, err := json.Marshal(Email{To: to})
		if err != nil {
			return err
		}
		if err := emails.Publish(ctx, queue.Message{Body: body}); err != nil {
			return err
		}
	}

	mailer := &Mailer{log: func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }}
	c, err := gentask.New(emails, gentask.Work(mailer), gentask.Config{Concurrency: 1, Timeout: 200 * time.Millisecond})
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	if err := emails.WaitEmpty(ctx); err != nil {
		return err
	}
	if _, err := c.Stop(ctx); err != nil {
		return err
	}
	for _, dead := range emails.DeadLetters() {
		fmt.Fprintf(out, "dead letter: %s (%s)\n", dead.Body, dead.Headers[queue.HeaderReason])
	}
	return nil
}
