// Deadletters is what an operator does with the messages that were given up: list them, see why,
// give them back to their queue once the cause is mended, throw away the rest.
//
//	go run ./examples/deadletters fill                          # some jobs, of which some fail
//	go run ./examples/deadletters list
//	go run ./examples/deadletters -id order-3 show
//	go run ./examples/deadletters -reason "no such" -rate 10 redrive
//	go run ./examples/deadletters -fingerprint 0123456789ab redrive
//	go run ./examples/deadletters purge
//
// The queue is in a directory of its own, unless -url is the address of a RabbitMQ (amqp://...) or a JetStream (nats://...).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/gentask/gentask/internal/terminal"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/embedded"
	"github.com/gentask/gentask/queue/nats"
	"github.com/gentask/gentask/queue/rabbitmq"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the first signal drains, a second one ends the process at once
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "deadletters:", terminal.Text(err.Error()))
		os.Exit(1)
	}
}

// jobs is what every driver's queue is.
type jobs interface {
	queue.Source
	queue.Publisher
	Letters() *queue.Letters
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("deadletters", flag.ContinueOnError)
	dir := flags.String("dir", "deadletters-data", "directory of the broker's files, when there is no -url")
	url := flags.String("url", "", "a RabbitMQ (amqp://...) or a JetStream server (nats://...)")
	name := flags.String("queue", "orders", "name of the queue, not of its dead-letter queue")
	var filter queue.LetterFilter
	flags.StringVar(&filter.ID, "id", "", "only the letter of that id")
	flags.StringVar(&filter.Reason, "reason", "", "only letters with that in their reason")
	flags.StringVar(&filter.Fingerprint, "fingerprint", "", "only letters of the panic with that fingerprint")
	var opts queue.RedriveOptions
	flags.Float64Var(&opts.PerSecond, "rate", 0, "redrive: most letters per second, 0 for no limit")
	flags.IntVar(&opts.Limit, "limit", 0, "redrive: most letters, 0 for all")
	if err := flags.Parse(args); err != nil {
		return err
	}

	q, closeBroker, err := open(*url, *dir, *name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeBroker()) }()
	switch command := flags.Arg(0); command {
	case "fill":
		return fill(ctx, q, out)
	case "list":
		return list(ctx, q.Letters(), filter, out)
	case "show":
		return show(ctx, q.Letters(), filter, out)
	case "redrive":
		n, err := q.Letters().Redrive(ctx, filter, opts)
		fmt.Fprintln(out, n, "given back")
		return err
	case "purge":
		n, err := q.Letters().Purge(ctx, filter)
		fmt.Fprintln(out, n, "thrown away")
		return err
	default:
		return fmt.Errorf("command is %q, want fill, list, show, redrive or purge, after the flags", command)
	}
}

// open opens the queue at the broker that url names, or in dir.
func open(url, dir, name string) (jobs, func() error, error) {
	switch scheme, _, _ := strings.Cut(url, "://"); scheme {
	case "":
		broker, err := embedded.Open(dir)
		if err != nil {
			return nil, nil, err
		}
		return broker.Queue(name), broker.Close, nil
	case "amqp", "amqps":
		broker, err := rabbitmq.New(url)
		if err != nil {
			return nil, nil, err
		}
		return broker.Queue(name), broker.Close, nil
	default:
		broker, err := nats.New(url, nats.Config{})
		if err != nil {
			return nil, nil, err
		}
		return broker.Queue(name), broker.Close, nil
	}
}
