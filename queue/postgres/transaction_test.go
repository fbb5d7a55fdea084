package postgres_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

// transactor publishes in a transaction of one kind, which the returned function ends.
type transactor func(t *testing.T, q *postgres.Queue, msgs ...queue.Message) (end func(commit bool), err error)

func transactors(t *testing.T) map[string]transactor {
	t.Helper()
	pool := newPool(t, url())
	db := stdlib.OpenDBFromPool(pool)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return map[string]transactor{
		"pgx": func(t *testing.T, q *postgres.Queue, msgs ...queue.Message) (func(bool), error) {
			tx, err := pool.Begin(t.Context())
			require.NoError(t, err)
			return func(commit bool) {
				if commit {
					require.NoError(t, tx.Commit(t.Context()))
				} else {
					require.NoError(t, tx.Rollback(t.Context()))
				}
			}, q.PublishTx(t.Context(), tx, msgs...)
		},
		"database/sql": func(t *testing.T, q *postgres.Queue, msgs ...queue.Message) (func(bool), error) {
			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			return func(commit bool) {
				if commit {
					require.NoError(t, tx.Commit())
				} else {
					require.NoError(t, tx.Rollback())
				}
			}, q.PublishSQL(t.Context(), tx, msgs...)
		},
	}
}

// A message exists if, and only if, its transaction commits, and not before. It is whole.
func TestPublishTx(t *testing.T) {
	for name, publish := range transactors(t) {
		t.Run(name, func(t *testing.T) {
			q := newBroker(t, url(), postgres.Config{Schema: newSchema(t)}).Queue("q")
			s := open(t, q, 10)
			sent := queue.Message{
				ID: "a", Body: []byte{0, 0xff}, ContentType: "text/plain", Priority: 3, UniqueKey: "k",
				Headers:    map[string]string{"tenant": "acme", "raw": "\xff\x00"},
				Time:       time.Now().Add(-time.Hour).Truncate(time.Millisecond),
				Properties: &queue.Properties{CorrelationID: "c", Expiration: time.Hour},
			}
			end, err := publish(t, q, sent, queue.Message{UniqueKey: "k", ID: "dropped"})
			require.NoError(t, err)
			nothing(t, s)
			end(false)
			nothing(t, s)
			end, err = publish(t, q, sent, queue.Message{ID: "later", NotBefore: time.Now().Add(time.Hour)})
			require.NoError(t, err, "the key went with its transaction")
			end(true)
			d := receive(t, s)
			require.True(t, sent.Time.Equal(d.Time))
			sent.Time, sent.UniqueKey = d.Time, ""
			require.Equal(t, sent, d.Message)
			nothing(t, s)
			require.Equal(t, queue.Stats{Delayed: 1, Held: 1, Consumers: 1}, count(t, q))
		})
	}
}

// Thousands of messages go with one transaction, in their order.
func TestPublishTx_Many(t *testing.T) {
	for name, publish := range transactors(t) {
		t.Run(name, func(t *testing.T) {
			q := newBroker(t, url(), postgres.Config{Schema: newSchema(t)}).Queue("q")
			msgs := make([]queue.Message, 2500)
			for i := range msgs {
				msgs[i] = queue.Message{ID: fmt.Sprint(i), UniqueKey: fmt.Sprint("k", i)}
			}
			end, err := publish(t, q, msgs...)
			require.NoError(t, err)
			end(true)
			require.Equal(t, len(msgs), count(t, q).Ready)
			s := open(t, q, len(msgs))
			for i := range msgs {
				require.Equal(t, fmt.Sprint(i), receive(t, s).ID)
			}
		})
	}
}

// An error about the messages leaves the transaction usable, and publishes none of them.
func TestPublishTx_Refused(t *testing.T) {
	for name, publish := range transactors(t) {
		t.Run(name, func(t *testing.T) {
			q := newBroker(t, url(), postgres.Config{Schema: newSchema(t), Unique: -1}).Queue("q")
			for field, m := range map[string]queue.Message{
				"Message.Priority":    {Priority: 10},
				"Message.ID":          {ID: "a\x00"},
				"Message.ContentType": {ContentType: "\xff"},
				"Message.Headers":     {Headers: map[string]string{"\x00": ""}},
				"Message.UniqueKey":   {UniqueKey: "k"},
			} {
				end, err := publish(t, q, queue.Message{ID: "good"}, m)
				require.ErrorContains(t, err, field)
				end(true)
			}
			require.Equal(t, queue.Stats{}, count(t, q))
		})
	}
}

// Publishing in a transaction needs no other connection: a pool of one works, also while a session
// is open, and Publish does not wait for the handler's transaction to end by itself.
func TestPoolOfOne(t *testing.T) {
	b := newBroker(t, url(), postgres.Config{Schema: newSchema(t)}, func(c *pgxpool.Config) { c.MaxConns = 1 })
	q := b.Queue("q")
	s := open(t, q, 1)
	pool := newPool(t, url(), func(c *pgxpool.Config) { c.MaxConns = 1 })
	one, err := postgres.New(pool, postgres.Config{Schema: newSchema(t)})
	require.NoError(t, err)
	own := one.Queue("q")
	mine := open(t, own, 1)
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	require.NoError(t, own.PublishTx(t.Context(), tx, queue.Message{ID: "a", UniqueKey: "k"}))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	require.ErrorIs(t, own.Publish(ctx, queue.Message{ID: "b"}), context.DeadlineExceeded, "the pool is empty")
	cancel()
	require.NoError(t, tx.Commit(t.Context()))
	ack(t, mine, receive(t, mine))
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "c"}))
	ack(t, s, receive(t, s))
}

// A context that ends in a transaction is the error, and nothing is published.
func TestPublishTx_Cancelled(t *testing.T) {
	q := newBroker(t, url(), postgres.Config{Schema: newSchema(t)}).Queue("q")
	pool := newPool(t, url())
	blocker, err := pool.Begin(t.Context())
	require.NoError(t, err)
	require.NoError(t, q.PublishTx(t.Context(), blocker, queue.Message{UniqueKey: "k"}))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err = pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		return q.PublishTx(ctx, tx, queue.Message{UniqueKey: "k"}) // waits for the other
	})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	var failed *queue.PublishError
	require.ErrorAs(t, err, &failed)
	require.NoError(t, blocker.Rollback(t.Context()))
	require.NoError(t, q.Publish(t.Context(), queue.Message{UniqueKey: "k"}))
	require.Equal(t, 1, count(t, q).Ready)
}

// A session of database/sql that began before another publisher's commit, at a higher level, is
// told about the conflict; nothing hangs.
func TestPublishTx_Serialization(t *testing.T) {
	q := newBroker(t, url(), postgres.Config{Schema: newSchema(t)}).Queue("q")
	db := stdlib.OpenDBFromPool(newPool(t, url()))
	defer func() { require.NoError(t, db.Close()) }()
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), "SELECT 1 FROM pg_class LIMIT 1")
	require.NoError(t, err)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "first", UniqueKey: "k"}))
	err = q.PublishSQL(t.Context(), tx, queue.Message{ID: "second", UniqueKey: "k"})
	require.ErrorContains(t, err, "40001")
	require.NoError(t, tx.Rollback())
	require.Equal(t, 1, count(t, q).Ready)
}
