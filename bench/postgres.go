package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/gentask/gentask/bench/result"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

// onPostgres is our queue in PostgreSQL against River on the same server.
func onPostgres(o options) []measurement {
	var all []measurement
	for _, c := range o.each("postgres", 50_000, 100, []comparison{
		{
			name: "1000 at a time", peer: "River", ours: fromPostgres(1000), theirs: onRiver(1000),
			claims: []claim{{unit: result.Rate, target: 3}},
		},
		{
			name: "100 at a time", peer: "River", ours: fromPostgres(100), theirs: onRiver(100),
			claims: []claim{{unit: result.Rate, target: 3}},
		},
		{
			name: "publish one by one", peer: "River, Insert", jobs: 3_000, ours: publishToPostgres(1), theirs: insertIntoRiver(1),
			claims: []claim{{unit: result.Rate, target: 2}},
		},
		{
			name: "publish 1000 at once", peer: "River, InsertManyFast", ours: publishToPostgres(1000), theirs: insertIntoRiver(1000),
			claims: []claim{{unit: result.Rate, target: 1.7}},
		},
		{
			name: "a user's transaction with a job", peer: "the same without", jobs: 3_000,
			ours: transactions(publishInside), theirs: transactions(nothingInside),
			claims: []claim{{unit: result.Time, target: 1.25}},
		},
		{
			name: "a user's transaction with a job", peer: "River, InsertTx", jobs: 3_000,
			ours: transactions(publishInside), theirs: transactions(insertInside),
		},
	}) {
		all = append(all, c)
	}
	for _, rate := range []int{10, 200, 2_000} {
		all = append(all, latency{rate: rate, jobs: o.most(max(300, 10*rate), 10)})
	}
	return all
}

// inSchema runs f in a schema of its own.
func inSchema(ctx context.Context, f func(db *riverDB) error) error {
	db, err := openRiver(ctx)
	if err != nil {
		return err
	}
	defer db.pool.Close()
	err = f(db)
	_, dropErr := db.pool.Exec(context.WithoutCancel(ctx), "DROP SCHEMA "+db.schema+" CASCADE")
	return errors.Join(err, dropErr)
}

// queue returns our queue in the schema.
func (db *riverDB) queue(ctx context.Context) (*postgres.Queue, error) {
	cfg := postgres.Config{Schema: db.schema}
	if err := postgres.Migrate(ctx, db.pool, cfg); err != nil {
		return nil, err
	}
	b, err := postgres.New(db.pool, cfg)
	if err != nil {
		return nil, err
	}
	return b.Queue("jobs"), nil
}

// fromPostgres is our side: consumption of a queue that was filled before.
func fromPostgres(concurrency int) side {
	return func(ctx context.Context, t *trial) error {
		return inSchema(ctx, func(db *riverDB) error {
			q, err := db.queue(ctx)
			if err != nil {
				return err
			}
			err = batches(t.tally.messages(usual), 5_000, func(batch []queue.Message) error { return q.Publish(ctx, batch...) })
			if err != nil {
				return err
			}
			return errors.Join(consume(ctx, t, q, concurrency, noOp(t)), checkPostgres(ctx, q))
		})
	}
}

// checkPostgres fails unless the queue is empty.
func checkPostgres(ctx context.Context, q *postgres.Queue) error {
	return settles(func() (string, error) {
		s, err := q.Inspect(ctx)
		if s.Left()+s.DeadLettered == 0 {
			return "", err
		}
		return fmt.Sprintf("%+v", s), err
	})
}

// publishToPostgres publishes so many at a time, one call after the other.
func publishToPostgres(n int) side {
	return func(ctx context.Context, t *trial) error {
		return inSchema(ctx, func(db *riverDB) error {
			q, err := db.queue(ctx)
			if err != nil {
				return err
			}
			msgs := t.tally.messages(usual)
			t.begin()
			err = batches(msgs, n, func(batch []queue.Message) error { return q.Publish(ctx, batch...) })
			t.end()
			if err != nil {
				return err
			}
			return db.holds(ctx, "job", t.jobs)
		})
	}
}

// holds fails unless a table has so many rows.
func (db *riverDB) holds(ctx context.Context, table string, want int) error {
	var n int
	err := db.pool.QueryRow(ctx, "SELECT count(*) FROM "+db.schema+"."+table).Scan(&n)
	if err == nil && n != want {
		err = fmt.Errorf("table %s has %d rows, want %d", table, n, want)
	}
	return err
}

// insertIntoRiver inserts so many at a time, one call after the other: one with Insert, more with
// InsertManyFast.
func insertIntoRiver(n int) side {
	return func(ctx context.Context, t *trial) error {
		return inSchema(ctx, func(db *riverDB) error {
			client, err := db.client(ctx, &river.Config{})
			if err != nil {
				return err
			}
			params := riverParams(t)
			t.begin()
			err = batches(params, n, func(batch []river.InsertManyParams) error {
				if n == 1 {
					_, err := client.Insert(ctx, batch[0].Args, nil)
					return err
				}
				_, err := client.InsertManyFast(ctx, batch)
				return err
			})
			t.end()
			if err != nil {
				return err
			}
			return db.holds(ctx, "river_job", t.jobs)
		})
	}
}

// inside is what a user's transaction does beside its own work.
type inside func(ctx context.Context, db *riverDB) (func(context.Context, pgx.Tx, queue.Message) error, error)

func nothingInside(context.Context, *riverDB) (func(context.Context, pgx.Tx, queue.Message) error, error) {
	return func(context.Context, pgx.Tx, queue.Message) error { return nil }, nil
}

func publishInside(ctx context.Context, db *riverDB) (func(context.Context, pgx.Tx, queue.Message) error, error) {
	q, err := db.queue(ctx)
	return func(ctx context.Context, tx pgx.Tx, m queue.Message) error { return q.PublishTx(ctx, tx, m) }, err
}

func insertInside(ctx context.Context, db *riverDB) (func(context.Context, pgx.Tx, queue.Message) error, error) {
	client, err := db.client(ctx, &river.Config{})
	return func(ctx context.Context, tx pgx.Tx, m queue.Message) error {
		_, err := client.InsertTx(ctx, tx, riverArgs{Number: number(m.Body), Body: m.Body}, nil)
		return err
	}, err
}

// transactions stores an order in each of its transactions, and does something else inside.
func transactions(also inside) side {
	return func(ctx context.Context, t *trial) error {
		return inSchema(ctx, func(db *riverDB) error {
			do, err := also(ctx, db)
			if err != nil {
				return err
			}
			const table = ".orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text NOT NULL, total int NOT NULL)"
			if _, err := db.pool.Exec(ctx, "CREATE TABLE "+db.schema+table); err != nil {
				return err
			}
			insert := "INSERT INTO " + db.schema + ".orders (customer, total) VALUES ($1, $2)"
			msgs := t.tally.messages(usual)
			t.begin()
			for i := range msgs {
				err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
					if _, err := tx.Exec(ctx, insert, msgs[i].ID, i); err != nil {
						return err
					}
					return do(ctx, tx, msgs[i])
				})
				if err != nil {
					return err
				}
			}
			t.end()
			return db.holds(ctx, "orders", t.jobs)
		})
	}
}
