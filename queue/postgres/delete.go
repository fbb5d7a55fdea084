package postgres

import (
	"context"
	"fmt"
)

// deleteMost is the most messages, letters or keys that one statement of [Queue.Delete] deletes.
const deleteMost = 10_000

// removals are the statements of [Queue.Delete]. $1 is the queue, $2 the most rows.
type removals struct {
	sessions, held      string
	jobs, letters, keys string
}

// newRemovals returns the statements with the names that s puts into them.
func newRemovals(s func(text string) string) removals {
	some := func(table, key, which string) string {
		return s(`DELETE FROM {}.` + table + ` WHERE queue = $1 AND ` + key + ` = ANY(ARRAY(
			SELECT ` + key + ` FROM {}.` + table + ` WHERE queue = $1` + which + ` LIMIT $2::int))`)
	}
	return removals{
		sessions: s(`DELETE FROM {}.session WHERE queue = $1`),
		held:     s(`DELETE FROM {}.job WHERE queue = $1 AND session IS NOT NULL`),
		jobs:     some("job", "id", " AND session IS NULL"),
		letters:  some("letter", "number", ""),
		keys:     some("unique_key", "key", ""),
	}
}

// Delete deletes everything that the queue has. Messages, delayed ones included, and dead letters
// are lost. Unique keys are forgotten, so that a key may be published again. Sessions end with
// [queue.ErrSessionLost]: at their next settlement, or within a third of [Config.Lease]. A queue
// that does not exist is no error.
//
// Stop consumers and publishers first. Messages that are published meanwhile may stay, and so may
// those that a new session takes meanwhile. Delete removes 10,000 rows in a transaction, so a large
// queue holds up no others. After an error some may be left: call it again.
func (q *Queue) Delete(ctx context.Context) error {
	if err := checkName(q.name); err != nil {
		return err
	}
	if err := q.broker.fit(ctx, q.broker.pool); err != nil {
		return err
	}
	sql := &q.broker.sql.remove
	// Without its row, a session takes and settles nothing more, so the messages that it holds can
	// go.
	for _, one := range []string{sql.sessions, sql.held} {
		if _, err := q.remove(ctx, one); err != nil {
			return err
		}
	}
	for _, some := range []string{sql.jobs, sql.letters, sql.keys} {
		for n := int64(deleteMost); n > 0; { // others may delete some of them
			var err error
			if n, err = q.remove(ctx, some, deleteMost); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove executes a statement about the queue, and returns how many rows it has deleted.
func (q *Queue) remove(ctx context.Context, sql string, args ...any) (int64, error) {
	tag, err := q.broker.pool.Exec(ctx, sql, append([]any{q.broker.mode, q.name}, args...)...)
	if err != nil {
		return 0, fmt.Errorf("postgres: delete queue %q: %w", q.name, explain(err))
	}
	return tag.RowsAffected(), nil
}
