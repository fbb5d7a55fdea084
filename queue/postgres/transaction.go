package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gentask/gentask/queue"
)

// PublishTx publishes msgs in the user's transaction, and uses no other connection. The messages
// exist if, and only if, tx commits; until then they are visible to no session. It honours ctx.
//
// An error that wraps [queue.ErrConfig] or [queue.ErrUnsupported] is about msgs, and leaves tx
// usable. After any other error, tx can only be rolled back. A UniqueKey makes other publishers of
// the key wait for the end of tx. A transaction at REPEATABLE READ or above fails with a
// serialization failure if another one has published the key since tx began.
func (q *Queue) PublishTx(ctx context.Context, tx pgx.Tx, msgs ...queue.Message) error {
	_, err := q.publish(ctx, msgs, func(ctx context.Context, p *publication) (string, error) {
		if err := q.broker.fit(ctx, tx); err != nil {
			return "", err
		}
		var fresh string
		text, args := p.statement(q.broker)
		err := tx.QueryRow(ctx, text, args...).Scan(&fresh, nil)
		return fresh, err
	})
	return err
}

// PublishSQL is [Queue.PublishTx] for a transaction of database/sql, with any driver for
// PostgreSQL. The transaction must be in the same database as the pool of [New].
func (q *Queue) PublishSQL(ctx context.Context, tx *sql.Tx, msgs ...queue.Message) error {
	_, err := q.publish(ctx, msgs, func(ctx context.Context, p *publication) (string, error) {
		if err := q.broker.fit(ctx, standard{tx}); err != nil {
			return "", err
		}
		var all []string
		for part := range slices.Chunk(p.send, valuesMost) {
			var fresh string
			var told bool
			text, args := p.values(q.broker, part)
			if err := tx.QueryRowContext(ctx, text, args...).Scan(&fresh, &told); err != nil {
				return "", err
			}
			all = append(all, fresh)
		}
		return strings.Join(all, ","), nil
	})
	return err
}

// valuesMost is the most messages of a statement with values. The protocol has 65,535 arguments.
const valuesMost = 1000

// values returns the statement for any driver, with its arguments, which have the types of
// driver.Value.
func (p *publication) values(b *Broker, part []int) (text string, args []any) {
	if p.isPlain() {
		return p.one(b)
	}
	var r rows
	for _, i := range part {
		r.add(&p.msgs[i])
	}
	args = []any{p.queue, channelOf(b.config.Schema, p.queue)}
	var list strings.Builder
	for i := range part {
		if i > 0 {
			list.WriteString(", ")
		}
		n := len(args)
		fmt.Fprintf(&list, "($%d::smallint, $%d::timestamptz, $%d::int, $%d::timestamptz, "+
			"$%d::text, $%d::text, $%d::text, $%d::bytea, $%d::bytea, ",
			n+1, n+2, n+3, n+4, n+5, n+6, n+7, n+8, n+9)
		args = append(args, int64(r.priority[i]), r.notBefore[i], int64(r.attempt[i]), r.published[i],
			r.id[i], r.contentType[i], r.head[i], r.body[i], r.key[i])
		if p.locks {
			fmt.Fprintf(&list, "$%d::bytea, ", n+10)
			args = append(args, r.lock[i])
		}
		fmt.Fprintf(&list, "%d)", i)
	}
	return strings.Replace(p.valuesText(b), "{values}", list.String(), 1), args
}

// valuesText returns the text in which a list of values has a place.
func (p *publication) valuesText(b *Broker) string {
	switch {
	case p.locks:
		return b.sql.valuesLocked
	case p.keyed:
		return b.sql.valuesKeyed
	}
	return b.sql.values
}

// standard makes a querier of a transaction of database/sql.
type standard struct{ tx *sql.Tx }

func (s standard) QueryRow(ctx context.Context, text string, args ...any) pgx.Row {
	return s.tx.QueryRowContext(ctx, text, slices.DeleteFunc(slices.Clone(args), isMode)...)
}

// isMode reports whether an argument is only for pgx.
func isMode(arg any) bool {
	_, is := arg.(pgx.QueryExecMode)
	return is
}
