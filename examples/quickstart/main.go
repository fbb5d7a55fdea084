// Quickstart runs GenTask's own scenario on a broker that needs nothing installed: a JetStream
// server inside the process, durable in a directory. A hundred jobs, half of whose runs panic; in
// the end all are acknowledged.
//
//	go run ./examples/quickstart
//
// Kill it in the middle, as hard as you like, and start it again: it goes on with what was left,
// and loses none.
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
	"github.com/gentask/gentask/queue/embedded"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the first signal drains, a second one ends the process at once
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", terminal.Text(err.Error()))
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	dir := flags.String("dir", "quickstart-data", "directory of the broker's files")
	jobs := flags.Int("jobs", 100, "how many jobs to publish when none are left")
	prefetch := flags.Int("prefetch", 5, "most jobs held at a time")
	work := flags.Duration("work", 100*time.Millisecond, "how long a job takes")
	seed := flags.Uint64("seed", 1, "decides which runs panic")
	if err := flags.Parse(args); err != nil {
		return err
	}

	broker, err := embedded.Open(*dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, broker.Close()) }()

	queue := broker.Queue("jobs")
	left, err := queue.Inspect(ctx)
	if err != nil {
		return err
	}
	result, err := upstream.Run(ctx, queue, upstream.Config{
		Jobs: *jobs, Prefetch: *prefetch, Work: *work, Timeout: 10 * *work, Seed: *seed,
		Left: left.Left(), Terminal: isTerminal(out), Out: out,
	})
	if err != nil {
		return err
	}
	result.Table(out)
	if ctx.Err() != nil {
		fmt.Fprintln(out, "\ninterrupted: start it again to go on with what is left")
	}
	return nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
