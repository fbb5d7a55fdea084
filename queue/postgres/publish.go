package postgres

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gentask/gentask/queue"
)

// Publish implements [queue.Publisher]. It publishes all messages or none, in one transaction, over
// the pool. A message whose UniqueKey is taken is confirmed and dropped: within [Config.Unique], or
// with [queue.UntilDone] while a message that has the key is in the queue. If another transaction
// has published the key and is not committed, Publish waits for it.
func (q *Queue) Publish(ctx context.Context, msgs ...queue.Message) error {
	_, err := q.publish(ctx, msgs, q.alone)
	return err
}

// PublishResults implements [queue.ResultPublisher].
func (q *Queue) PublishResults(ctx context.Context, msgs ...queue.Message) ([]queue.PublishResult, error) {
	return q.publish(ctx, msgs, q.alone)
}

// publication is messages to publish.
type publication struct {
	queue string
	msgs  []queue.Message // complete
	send  []int           // indexes in msgs: the first of each key
	keyed bool
	locks bool // there are keys with queue.UntilDone
}

// uniqueness is a key among those of a publication.
type uniqueness struct {
	key   string
	until queue.Until
}

// publish publishes msgs by way of run, which returns the keys that are new, by their freshName.
func (q *Queue) publish(ctx context.Context, msgs []queue.Message,
	run func(context.Context, *publication) (string, error),
) ([]queue.PublishResult, error) {
	if len(msgs) == 0 {
		return nil, nil
	}
	p, err := q.newPublication(msgs)
	if err == nil {
		err = ctx.Err()
	}
	var fresh string
	if err == nil {
		fresh, err = run(ctx, p)
	}
	return p.results(fresh, q.wrap(ctx, err))
}

// wrap explains the error of a publish.
func (q *Queue) wrap(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = errors.Join(ctx.Err(), err)
	}
	return fmt.Errorf("postgres: queue %q: %w", q.name, explain(err))
}

// newPublication completes and checks msgs. It returns a publication also with an error.
func (q *Queue) newPublication(msgs []queue.Message) (*publication, error) {
	p := &publication{queue: q.name, msgs: make([]queue.Message, len(msgs))}
	err := checkName(q.name)
	seen := map[uniqueness]bool{}
	for i := range msgs {
		var bad error
		p.msgs[i], bad = complete(msgs[i], q.broker.config.Unique)
		if err == nil {
			err = bad
		}
		key := uniqueness{msgs[i].UniqueKey, msgs[i].UniqueUntil}
		if seen[key] {
			continue
		}
		if key.key != "" {
			seen[key], p.keyed = true, true
			p.locks = p.locks || key.until == queue.UntilDone
		}
		p.send = append(p.send, i)
	}
	return p, err
}

// statement returns the statement for pgx, with its arguments.
func (p *publication) statement(b *Broker) (sql string, args []any) {
	if p.isPlain() {
		sql, args = p.one(b)
		return sql, append([]any{b.mode}, args...)
	}
	var r rows
	for _, i := range p.send {
		r.add(&p.msgs[i])
	}
	args = []any{
		b.mode, p.queue, channelOf(b.config.Schema, p.queue),
		r.priority, r.notBefore, r.attempt, r.published, r.id, r.contentType, r.head, r.body, r.key,
	}
	switch {
	case p.locks:
		return b.sql.publishLocked, append(args, r.lock)
	case p.keyed:
		return b.sql.publishKeyed, args
	}
	return b.sql.publish, args
}

// isPlain reports whether p is one message without a unique key.
func (p *publication) isPlain() bool { return len(p.send) == 1 && !p.keyed }

// one returns the statement for a plain publication, with its arguments, which have the types of
// driver.Value.
func (p *publication) one(b *Broker) (sql string, args []any) {
	m := &p.msgs[p.send[0]]
	return b.sql.publishOne, []any{
		p.queue, channelOf(b.config.Schema, p.queue), int64(m.Priority), queue.BoundTime(m.NotBefore),
		int64(usedUp(m.Headers)), queue.BoundTime(m.Time), m.ID, m.ContentType,
		encodeHeaders(m.Headers, m.Properties), append([]byte{}, m.Body...),
	}
}

// results returns what became of each message, and the error of Publish. Fresh are the keys that
// were not taken.
func (p *publication) results(fresh string, err error) ([]queue.PublishResult, error) {
	results := make([]queue.PublishResult, len(p.msgs))
	failed := make([]queue.PublishFailure, len(p.msgs))
	for i := range p.msgs {
		results[i] = queue.PublishResult{ID: p.msgs[i].ID, Err: err}
		failed[i] = queue.PublishFailure{ID: p.msgs[i].ID, Err: err}
	}
	if err != nil {
		return results, &queue.PublishError{Failed: failed}
	}
	if !p.keyed {
		return results, nil
	}
	isNew := map[string]bool{}
	for key := range strings.SplitSeq(fresh, ",") {
		isNew[key] = true
	}
	for i := range p.msgs {
		results[i].Duplicate = p.msgs[i].UniqueKey != ""
	}
	for _, i := range p.send {
		results[i].Duplicate = results[i].Duplicate && !isNew[freshName(&p.msgs[i])]
	}
	return results, nil
}

// freshName returns the name of the key of m among those that are new.
func freshName(m *queue.Message) string {
	return freshPrefix[m.UniqueUntil] + hex.EncodeToString(keyOf(m.UniqueKey))
}

// freshPrefix distinguishes the keys of a statement's result: see publishLocked.
var freshPrefix = map[queue.Until]string{queue.UntilWindowEnds: "", queue.UntilDone: "!"}

// alone executes a publication in a transaction of its own. A statement without unique keys is one
// by itself, at any isolation level.
func (q *Queue) alone(ctx context.Context, p *publication) (fresh string, err error) {
	b := q.broker
	if err := b.fit(ctx, b.pool); err != nil {
		return "", err
	}
	sql, args := p.statement(b)
	for range maxRepeats {
		if !p.keyed {
			err = b.pool.QueryRow(ctx, sql, args...).Scan(&fresh, nil)
		} else {
			options := pgx.TxOptions{IsoLevel: pgx.ReadCommitted}
			err = pgx.BeginTxFunc(ctx, b.pool, options, func(tx pgx.Tx) error {
				return tx.QueryRow(ctx, sql, args...).Scan(&fresh, nil)
			})
		}
		if !repeatable(err) {
			return fresh, err
		}
	}
	return "", err
}
