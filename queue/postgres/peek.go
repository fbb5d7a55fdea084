package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gentask/gentask/queue"
)

// Peek returns up to limit messages that no session holds, and takes none: a higher priority before
// a lower one, and then those that are due first. A message that is not due has
// [queue.Message.NotBefore]. A limit below 1 has none. It needs SELECT on the table of jobs.
func (q *Queue) Peek(ctx context.Context, limit int) ([]queue.Message, error) {
	if limit < 1 {
		return nil, nil
	}
	b := q.broker
	if err := b.fit(ctx, b.pool); err != nil {
		return nil, err
	}
	rows, err := b.pool.Query(ctx, b.sql.peek, b.mode, q.name, limit)
	if err != nil {
		return nil, fmt.Errorf("postgres: peek %q: %w", q.name, explain(err))
	}
	all, err := pgx.CollectRows(rows, readWaiting)
	if err != nil {
		return nil, fmt.Errorf("postgres: peek %q: %w", q.name, explain(err))
	}
	return all, nil
}

// readWaiting returns the message of a row that waits.
func readWaiting(row pgx.CollectableRow) (m queue.Message, err error) {
	due, headers := time.Time{}, ""
	err = row.Scan(&m.Priority, &due, &m.Time, &m.ID, &m.ContentType, &headers, &m.Body)
	m.Headers, m.Properties = decodeHeaders(headers)
	if due.After(time.Now()) {
		m.NotBefore = due
	}
	return m, err
}
