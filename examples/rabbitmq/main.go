// Rabbitmq runs GenTask's own scenario on a RabbitMQ: a hundred jobs, half of whose runs panic; in
// the end all are acknowledged.
//
//	go run ./examples/rabbitmq -url amqp://guest:guest@127.0.0.1:5672/
//
// Start it twice at once, and the two share the work. Kill one, and the other takes over what it
// held.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gentask/gentask/examples/internal/upstream"
	"github.com/gentask/gentask/internal/terminal"
	"github.com/gentask/gentask/queue/rabbitmq"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the first signal drains, a second one ends the process at once
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "rabbitmq:", terminal.Text(err.Error()))
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("rabbitmq", flag.ContinueOnError)
	url := flags.String("url", "amqp://guest:guest@127.0.0.1:5672/", "where the broker is")
	name := flags.String("queue", "gentask-example", "name of the queue")
	jobs := flags.Int("jobs", 100, "how many jobs to publish when none are left")
	prefetch := flags.Int("prefetch", 5, "most jobs held at a time")
	seed := flags.Uint64("seed", 1, "decides which runs panic")
	if err := flags.Parse(args); err != nil {
		return err
	}

	broker, err := rabbitmq.New(*url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, broker.Close()) }()

	queue := broker.Queue(*name)
	left, err := queue.Inspect(ctx)
	if err != nil {
		return err
	}
	result, err := upstream.Run(ctx, queue, upstream.Config{
		Jobs: *jobs, Prefetch: *prefetch, Work: 100 * time.Millisecond, Timeout: time.Second, Seed: *seed,
		Left: left.Left(), Out: out,
	})
	if err != nil {
		return err
	}
	result.Table(out)
	return nil
}
