package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// QueueStats are the figures of one queue, for a monitor.
type QueueStats struct {
	// Name is the queue's name.
	Name string

	// Waiting and DeadLettered count the messages that are due and not held, and the dead letters.
	// They stop at 10,000.
	Waiting, DeadLettered int

	// Held counts the messages that sessions hold.
	Held int

	// Oldest is for how long the oldest message that waits or is held has been due. Zero means that
	// there is none.
	Oldest time.Duration
}

// Queues returns the figures of all queues whose names start with prefix, in the order of their
// names. A queue without messages, letters and sessions does not exist. The time that it takes does
// not depend on the number of messages beyond 10,000 of each queue.
func (b *Broker) Queues(ctx context.Context, prefix string) ([]QueueStats, error) {
	if err := b.fit(ctx, b.pool); err != nil {
		return nil, err
	}
	rows, err := b.pool.Query(ctx, b.sql.queues, b.mode, prefix, maxBacklog)
	var all []QueueStats
	if err == nil {
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (QueueStats, error) {
			var s QueueStats
			var micros int64
			err := row.Scan(&s.Name, &s.Waiting, &s.DeadLettered, &s.Held, &micros)
			s.Oldest = max(0, time.Duration(micros)*time.Microsecond)
			return s, err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("postgres: queues: %w", explain(err))
	}
	return all, nil
}

// OldestAge implements queue.AgeReporter. It counts messages that are held, too.
func (q *Queue) OldestAge(ctx context.Context) (time.Duration, error) {
	all, err := q.broker.Queues(ctx, q.name)
	if err != nil || len(all) == 0 || all[0].Name != q.name {
		return 0, err
	}
	return all[0].Oldest, nil
}
