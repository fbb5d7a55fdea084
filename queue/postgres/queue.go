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
	broker  *Broker
	name    string
	inOrder bool
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

// HeaderGroup is the header with the name of a message's group: see [Queue.InOrder]. A message
// without it belongs to none.
const HeaderGroup = "gentask-group"

// InOrder returns the same queue with a promise about groups. Messages of one group are held by one
// session at a time, which gets those of one priority in the order of their publishing. All
// sessions of the queue must be opened through InOrder. Within a consumer, gentask.Order with this
// header and Strict keeps the order.
//
// The order is that of the transactions, where one has ended before the other has begun. Within a
// transaction it is that of the messages. A message that was published with NotBefore takes its
// place by that time. One that is given back with a delay keeps its place, and those behind it
// wait, too. A session that gives back a message without those behind it gets it after them. A job
// that runs on after its session was lost may overlap with the next one.
//
// The sessions' claims wait for each other, which costs little. A claim passes over each message
// that waits for a group of another session: it is slow if those are more than about 10,000.
func (q *Queue) InOrder() *Queue {
	ordered := *q
	ordered.inOrder = true
	return &ordered
}

// Name returns the queue's name.
func (q *Queue) Name() string { return q.name }

// System returns "postgresql", for [queue.SystemNamed].
func (*Queue) System() string { return "postgresql" }

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
