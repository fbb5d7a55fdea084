// Actor shows a worker as a receive function, in a service that lives on protoactor-go already: the
// service's own system, its own messages, and a props factory that makes one worker for each job.
//
//	go run ./examples/actor
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/gentask/gentask"
	gactor "github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/terminal"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

// order is what is published.
type order struct {
	Amount int
}

// Messages of the service: a worker asks the ledger of accounts for a credit limit before it runs
// the risky part.
type (
	askLimit struct{}
	limit    struct{ most int }
)

// accounts is an actor that the service has had all along.
func accounts(ctx actor.Context) {
	if _, ok := ctx.Message().(*askLimit); ok {
		ctx.Respond(&limit{most: 100})
	}
}

// checkout is the props factory: one worker for each order. The worker is an actor like any other.
// It gets the outcome of its task as a message among its own, and settles then.
func checkout(accounts *actor.PID, log func(string, ...any)) func(job gentask.ActorJob[order]) *gactor.Props {
	return func(job gentask.ActorJob[order]) *gactor.Props {
		return actor.PropsFromFunc(func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *actor.Started:
				ctx.Request(accounts, &askLimit{})
				ctx.SetReceiveTimeout(answerTime) // the answer may never come
			case *actor.ReceiveTimeout:
				log("order of %d: no answer", job.Payload().Amount)
				ctx.Stop(ctx.Self()) // the default policy decides
			case *limit:
				ctx.CancelReceiveTimeout()
				if job.Payload().Amount > msg.most {
					log("order of %d: over the limit of %d", job.Payload().Amount, msg.most)
					finish(ctx, job, gentask.DeadLetter(fmt.Errorf("limit is %d", msg.most)))
					return
				}
				if err := job.Run(ctx, charge(job.Payload(), job.Attempt())); err != nil {
					ctx.Stop(ctx.Self()) // the default policy decides
				}
			case *task.Outcome[any]:
				log("order of %d, attempt %d: %v", job.Payload().Amount, job.Attempt(), msg.Status)
				finish(ctx, job, gentask.DefaultDecision(job.Job, *msg))
			}
		})
	}
}

// answerTime is how long a worker waits for the ledger of accounts. Without a limit of its own,
// Config.Timeout is the limit of a worker that runs no task.
const answerTime = 2 * time.Second

func finish(ctx actor.Context, job gentask.ActorJob[order], d gentask.Decision) {
	_ = job.Settle(d) // the session may be gone; then the broker delivers again
	ctx.Stop(ctx.Self())
}

// charge is the risky part.
func charge(o order, attempt int) func(context.Context) (any, error) {
	return func(context.Context) (any, error) {
		if o.Amount == 13 && attempt == 1 {
			panic("payment provider: nil pointer")
		}
		return "charged", nil
	}
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "receive:", terminal.Text(err.Error()))
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	system := gactor.NewSystem(gactor.SystemConfig{}) // or the *actor.ActorSystem that the service has
	bank := system.Root.Spawn(actor.PropsFromFunc(accounts))
	defer system.Root.Stop(bank)

	orders := memory.New(memory.Config{Name: "orders"})
	defer orders.Close()
	for _, amount := range []int{7, 13, 500} {
		if err := orders.Publish(ctx, queue.Message{Body: []byte(`{"Amount":` + strconv.Itoa(amount) + `}`)}); err != nil {
			return err
		}
	}

	log := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	c, err := gentask.New(orders, gentask.Actor(checkout(bank, log)), gentask.Config{
		Concurrency: 1, System: system, Retry: gentask.Retry{Backoff: gentask.Backoff{Base: 10 * time.Millisecond}},
	})
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	if err := orders.WaitEmpty(ctx); err != nil {
		return err
	}
	_, err = c.Stop(ctx)
	return err
}
