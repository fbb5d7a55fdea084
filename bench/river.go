package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

const postgresDefault = "postgres://postgres@127.0.0.1:5432/test?sslmode=disable"

// onRiver is River with so many workers, tuned: it fetches a thousand jobs as often as it may, and
// has connections enough. The clock stops when it has told that the last job is completed in the
// database.
func onRiver(workers int) side {
	return func(ctx context.Context, t *trial) error {
		return inSchema(ctx, func(db *riverDB) error { return db.run(ctx, t, workers) })
	}
}

// riverDB is a schema of one trial's own, for River or for our queue.
type riverDB struct {
	pool   *pgxpool.Pool
	schema string
}

func openRiver(ctx context.Context) (*riverDB, error) {
	at := env("GENTASK_POSTGRES_URL", postgresDefault)
	cfg, err := pgxpool.ParseConfig(at)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 20
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	db := &riverDB{pool: pool, schema: fmt.Sprintf("gentask_bench_%x", rand.Uint64())}
	if _, err := pool.Exec(ctx, "CREATE SCHEMA "+db.schema); err != nil {
		pool.Close()
		return nil, fmt.Errorf("%w: PostgreSQL at %s:%d: %w", ErrNoServer, cfg.ConnConfig.Host, cfg.ConnConfig.Port, err)
	}
	return db, nil
}

func (db *riverDB) run(ctx context.Context, t *trial, workers int) error {
	client, err := db.client(ctx, riverConfig(func(i uint64) { t.tally.ranNumber(i) }, workers))
	if err != nil {
		return err
	}
	if err := fillRiver(ctx, t, client); err != nil {
		return err
	}
	if err := consumeRiver(ctx, t, client); err != nil {
		return err
	}
	return errors.Join(t.tally.check(), db.check(ctx, t))
}

// riverConfig is that of a client that works, tuned.
func riverConfig(ran func(uint64), workers int) *river.Config {
	jobs := river.NewWorkers()
	river.AddWorker(jobs, &riverWorker{ran: ran})
	return &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		Workers: jobs, JobTimeout: -1, FetchCooldown: time.Millisecond, FetchPollInterval: 5 * time.Millisecond,
	}
}

// client makes the tables in the schema, and a client of them.
func (db *riverDB) client(ctx context.Context, cfg *river.Config) (*river.Client[pgx.Tx], error) {
	silent := slog.New(slog.DiscardHandler)
	m, err := rivermigrate.New(riverpgxv5.New(db.pool), &rivermigrate.Config{Schema: db.schema, Logger: silent})
	if err != nil {
		return nil, err
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, err
	}
	cfg.Schema, cfg.Logger = db.schema, silent
	return river.NewClient(riverpgxv5.New(db.pool), cfg)
}

func fillRiver(ctx context.Context, t *trial, client *river.Client[pgx.Tx]) error {
	return batches(riverParams(t), 5_000, func(batch []river.InsertManyParams) error {
		_, err := client.InsertManyFast(ctx, batch)
		return err
	})
}

// riverParams returns the jobs of a trial: in base64, and with their numbers, about as long as the
// others'.
func riverParams(t *trial) []river.InsertManyParams {
	var params []river.InsertManyParams
	for i, body := range t.tally.bodies(usual / 2) {
		params = append(params, river.InsertManyParams{Args: riverArgs{Number: uint64(i), Body: body}})
	}
	return params
}

// consumeRiver runs from the start of the client to the event of the last completion.
func consumeRiver(ctx context.Context, t *trial, client *river.Client[pgx.Tx]) error {
	completed, cancel := client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: t.jobs + 1, Kinds: []river.EventKind{river.EventKindJobCompleted},
	})
	defer cancel()
	t.begin()
	if err := client.Start(ctx); err != nil {
		return err
	}
	var err error
	for range t.jobs {
		select {
		case <-completed:
		case <-ctx.Done():
			err = fmt.Errorf("waiting for a completion: %w", context.Cause(ctx))
		}
		if err != nil {
			break
		}
	}
	t.end()
	return errors.Join(err, client.Stop(context.WithoutCancel(ctx)))
}

// check fails unless the database calls every job completed.
func (db *riverDB) check(ctx context.Context, t *trial) error {
	var n int
	err := db.pool.QueryRow(ctx, "SELECT count(*) FROM "+db.schema+".river_job WHERE state = 'completed'").Scan(&n)
	if err == nil && n != t.jobs {
		err = fmt.Errorf("%d of %d jobs are completed", n, t.jobs)
	}
	return err
}

// riverArgs is the job.
type riverArgs struct {
	Number uint64 `json:"number"`
	Body   []byte `json:"body"`
}

// Kind implements river.JobArgs.
func (riverArgs) Kind() string { return "job" }

// riverWorker is a no-op.
type riverWorker struct {
	river.WorkerDefaults[riverArgs]
	ran func(number uint64)
}

// Work implements river.Worker.
func (w *riverWorker) Work(_ context.Context, job *river.Job[riverArgs]) error {
	w.ran(job.Args.Number)
	return nil
}
