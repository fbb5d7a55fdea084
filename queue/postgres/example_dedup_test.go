package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

// A job adds to a balance, in a transaction with the key of the job. It fails after the commit, so
// that it runs three times. The balance changes once.
func ExampleBroker_DedupTx() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	pool, db, done := exampleDatabase(ctx, "gentask_example_dedup",
		`CREATE TABLE {}.account (balance int); INSERT INTO {}.account VALUES (100)`)
	defer done()

	runs := 0
	deposit := func(ctx context.Context, amount int) error {
		job, _ := gentask.FromContext(ctx)
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			first, err := db.DedupTx(tx).First(ctx, job.DedupKey())
			if err != nil || !first {
				return err // nil: it was done before
			}
			_, err = tx.Exec(ctx, "UPDATE gentask_example_dedup.account SET balance = balance + $1", amount)
			return err
		})
		if runs++; err == nil && runs < 3 {
			err = errors.New("something after the commit failed")
		}
		return err
	}

	q := db.Queue("deposits")
	if err := q.Publish(ctx, queue.Message{Body: []byte("5")}); err != nil {
		log.Fatal(err)
	}
	working, stop := context.WithCancel(ctx)
	err := gentask.Run(working, q, gentask.Handle(deposit), gentask.Config{
		Retry: gentask.Retry{Backoff: gentask.Backoff{Base: time.Millisecond}},
		OnEvent: func(e gentask.Event) {
			if e.Kind == gentask.EventDone && e.Disposition == queue.Ack {
				stop()
			}
		},
	})
	var balance int
	if err := pool.QueryRow(ctx, "SELECT balance FROM gentask_example_dedup.account").Scan(&balance); err != nil {
		log.Fatal(err)
	}
	fmt.Println("runs:", runs, "balance:", balance, err)
	// Output:
	// runs: 3 balance: 105 <nil>
}

// exampleDatabase returns a database with the tables of the library and those of sql, in a schema
// of its own.
func exampleDatabase(ctx context.Context, schema, sql string) (*pgxpool.Pool, *postgres.Broker, func()) {
	pool, err := pgxpool.New(ctx, url())
	if err == nil {
		err = postgres.Migrate(ctx, pool, postgres.Config{Schema: schema})
	}
	if err == nil {
		_, err = pool.Exec(ctx, strings.ReplaceAll(sql, "{}", schema))
	}
	if err != nil {
		log.Fatal(err)
	}
	db, err := postgres.New(pool, postgres.Config{Schema: schema})
	if err != nil {
		log.Fatal(err)
	}
	return pool, db, func() {
		_, _ = pool.Exec(ctx, "DROP SCHEMA "+schema+" CASCADE")
		pool.Close()
	}
}
