package command

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask/cmd/gentask/internal/broker"
)

// completePatience is how long a completion waits for the broker: a person waits for it.
const completePatience = time.Second

// queueFlag is the flag whose value is a queue.
const queueFlag = "queue"

// namesQueues reports whether a command takes the name of a queue.
func namesQueues(c *cli.Command) bool {
	isQueue := func(f cli.Flag) bool { return slices.Contains(f.Names(), queueFlag) }
	return takesQueue(c, 0) || slices.ContainsFunc(c.Flags, isQueue)
}

// takesQueue reports whether the argument with that index is a queue.
func takesQueue(c *cli.Command, index int) bool {
	usage := strings.TrimPrefix(c.ArgsUsage, "[")
	return strings.HasPrefix(usage, "QUEUE") && (index == 0 || strings.HasPrefix(usage, "QUEUE..."))
}

// complete completes a command that takes the name of a queue. The broker is asked for the names.
// It writes none if the broker does not answer soon, or does not tell.
func (a *app) complete(ctx context.Context, c *cli.Command) {
	args := c.Args().Slice()
	last := ""
	if len(args) > 0 {
		last = args[len(args)-1]
	}
	if last != "--"+queueFlag {
		cli.DefaultCompleteWithFlags(ctx, c)
		if strings.HasPrefix(last, "-") || !takesQueue(c, len(args)) {
			return
		}
	}
	for _, name := range a.queueNames(ctx, c) {
		if harmless.MatchString(name) {
			_, _ = a.Out.Write([]byte(name + "\n")) // a shell reads it, or nothing
		}
	}
}

// harmless matches the names that a shell takes as they are. Bash evaluates words that it
// completes, and anybody who may publish could have chosen the name of a queue.
var harmless = regexp.MustCompile(`^[\pL\pN_./@+,%][\pL\pN_./@+,%-]*$`)

// queueNames returns the queues that the broker lists; nil for any error. The framework has not yet
// read the variables of the environment.
func (a *app) queueNames(ctx context.Context, c *cli.Command) []string {
	ctx, cancel := context.WithTimeout(ctx, completePatience)
	defer cancel()
	url := c.String("url")
	if url == "" {
		url = os.Getenv("GENTASK_URL")
	}
	b, err := a.Open(ctx, broker.Config{URL: url, Schema: c.String("schema"), Name: "gentask completion"})
	if err != nil {
		return nil
	}
	defer b.Close() //nolint:errcheck // nothing was written
	names, err := b.Names(ctx)
	if err != nil {
		return nil
	}
	return names
}
