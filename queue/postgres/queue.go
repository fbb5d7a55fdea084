package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask/queue"
)

// Queue is one queue of a [Broker]: a [queue.Source] and a [queue.Publisher]. It needs no closing.
// It is safe for concurrent use.
type Queue struct {
	broker *Broker
	name   string
}

var (
	_ queue.Source          = (*Queue)(nil)
	_ queue.Named           = (*Queue)(nil)
	_ queue.ResultPublisher = (*Queue)(nil)
	_ queue.BacklogReporter = (*Queue)(nil)
	_ queue.Deduplicator    = (*Queue)(nil)
	_ queue.Inspector       = (*Queue)(nil)
	_ queue.Returner        = (*session)(nil)
)

// Name returns the queue's name.
func (q *Queue) Name() string { return q.name }

// maxBacklog is the most messages that a Backlog counts.
const maxBacklog = 10_000

// Backlog implements [queue.BacklogReporter]. It counts no more than 10,000.
func (q *Queue) Backlog(ctx context.Context) (int, error) {
	n := 0
	err := q.ask(ctx, q.broker.sql.backlog, []any{maxBacklog}, &n)
	return n, err
}

// Inspect implements [queue.Inspector]; every count is known. It reads the index of all messages of
// the queue: about a second for ten millions.
func (q *Queue) Inspect(ctx context.Context) (queue.Stats, error) {
	var s queue.Stats
	err := q.ask(ctx, q.broker.sql.inspect, nil, &s.Ready, &s.Delayed, &s.Held, &s.DeadLettered, &s.Consumers)
	return s, err
}

// ask executes a query about the queue, which returns one row, over the pool.
func (q *Queue) ask(ctx context.Context, sql string, args []any, to ...any) error {
	if err := checkName(q.name); err != nil {
		return err
	}
	b := q.broker
	args = append([]any{b.mode, q.name}, args...)
	if err := b.pool.QueryRow(ctx, sql, args...).Scan(to...); err != nil {
		return fmt.Errorf("postgres: queue %q: %w", q.name, explain(err))
	}
	return nil
}

// UniqueWindow implements [queue.Deduplicator].
func (q *Queue) UniqueWindow(ctx context.Context) (time.Duration, error) {
	window := q.broker.config.Unique
	if window == neverUnique {
		return 0, fmt.Errorf("postgres: %w: Config.Unique is -1: must be a window", queue.ErrUnsupported)
	}
	return window, ctx.Err()
}
