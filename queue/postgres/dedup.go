package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// DedupStore remembers which jobs are done, in a table. It implements gentask.DedupStore. Its keys
// are those of gentask.Job.DedupKey, or any others of yours. They are forgotten after
// [Config.Done]. A store of [Broker.Dedup] is safe for concurrent use.
type DedupStore struct {
	broker *Broker
	db     querier
}

// Dedup returns the store over the pool, for the field Store of gentask.Dedup. It makes repetitions
// rarer; see [Broker.DedupTx] for jobs that must have their effects once.
func (b *Broker) Dedup() *DedupStore { return &DedupStore{broker: b, db: b.pool} }

// DedupTx returns the store in a transaction, for a job that writes to the same database. A job
// that calls [DedupStore.First] in the transaction of its effects has them once, however often it
// runs.
func (b *Broker) DedupTx(tx pgx.Tx) *DedupStore { return &DedupStore{broker: b, db: tx} }

// First remembers key, and reports whether it was not there. If another transaction has remembered
// it and has not ended, First waits for its end. If that rolls back, the key was not there.
//
// In a transaction at REPEATABLE READ or SERIALIZABLE, a key that was committed meanwhile is an
// error of the server (40001): roll back and run the job again.
func (s *DedupStore) First(ctx context.Context, key string) (bool, error) {
	first := false
	err := s.ask(ctx, s.broker.sql.firstDone, &first, []byte(key), s.broker.config.Done.Microseconds())
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return first, err
}

// Done reports whether key is remembered. It implements gentask.DedupStore.
func (s *DedupStore) Done(ctx context.Context, key string) (bool, error) {
	done := false
	err := s.ask(ctx, s.broker.sql.isDone, &done, []byte(key))
	return done, err
}

// Remember remembers key, whether or not it was there. It implements gentask.DedupStore.
func (s *DedupStore) Remember(ctx context.Context, key string) error {
	_, err := s.First(ctx, key)
	return err
}

// ask executes a statement that returns a boolean.
func (s *DedupStore) ask(ctx context.Context, sql string, to *bool, args ...any) error {
	if err := s.broker.fit(ctx, s.db); err != nil {
		return err
	}
	err := s.db.QueryRow(ctx, sql, append([]any{s.broker.mode}, args...)...).Scan(to)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("postgres: jobs that are done: %w", explain(err))
	}
	return err
}
