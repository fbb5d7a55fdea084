package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// queue looks at one queue.
func (e *examination) queue(ctx context.Context, name string) {
	ctx, cancel := e.bounded(ctx)
	defer cancel()
	what := fmt.Sprintf("queue %q", name)
	if err := e.Broker.Find(ctx, name); err != nil {
		e.failed(Wrong, what, err, "start a consumer of it, which declares it, or mend the name")
		return
	}
	stats, err := e.Broker.Queue(name).Inspect(ctx)
	var mismatch *nats.MismatchError
	switch {
	case errors.As(err, &mismatch):
		e.failed(Wrong, what, err,
			"consumers refuse it: change the property as it says, or let the driver make the queue")
		return
	case err != nil:
		e.failed(Wrong, what, err, "see the rights in docs/operations.md and docs/drivers.md")
		return
	}
	e.is(stats.Consumers == 0 && stats.Ready > 0, Wrong, what,
		fmt.Sprintf("%d messages are ready, and %s", stats.Ready, consumers(stats.Consumers)), "start its consumers")
	e.is(stats.DeadLettered > 0, Risk, what, fmt.Sprintf("%d dead letters", stats.DeadLettered),
		"look at them with: gentask letters list --group "+name)
}

func consumers(n int) string {
	if n == queue.CountUnknown {
		return "the broker does not count its consumers"
	}
	return fmt.Sprintf("%d sessions consume", n)
}
