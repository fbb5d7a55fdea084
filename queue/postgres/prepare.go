package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// lockVersion is the version that adds a column and an index to the table of jobs.
const lockVersion = 3

// prepare makes what version 3 adds to a table of jobs that is in use, while others use it.
// It returns at once if there is nothing to make. One node makes it; the others wait for that, and
// hold no snapshot meanwhile: the server builds the index when those before it are gone.
func (b *Broker) prepare(ctx context.Context) error {
	for {
		have, _, err := findVersion(ctx, b.pool, b.config.Schema)
		if err != nil || have == 0 || have >= lockVersion {
			return err
		}
		done, err := b.tryPrepare(ctx)
		if err != nil || done {
			return err
		}
		again := time.NewTimer(prepareAgain)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return ctx.Err()
		}
	}
}

// Times of a preparation.
const (
	prepareAgain = 200 * time.Millisecond // until the next attempt

	// prepareLock bounds the wait for a lock on the table, because everybody else waits behind it.
	prepareLock = "100ms"
)

// tryPrepare reports whether it has made everything. It has not if another node is at it, or if
// somebody uses the table for too long.
func (b *Broker) tryPrepare(ctx context.Context) (done bool, err error) {
	guard, err := b.connect(ctx, "gentask migrate")
	if err != nil {
		return false, err
	}
	defer guard.close()
	if mine, err := b.lockPreparation(ctx, guard); err != nil || !mine {
		return false, err
	}
	work, err := b.connect(ctx, "gentask migrate")
	if err != nil {
		return false, err
	}
	defer work.close()
	return b.makeLock(ctx, work)
}

// lockPreparation reports whether this node has got the lock, until the connection is closed. It
// uses the simple protocol: the extended one keeps a snapshot in an open transaction, for which the
// server would wait when it builds the index.
func (b *Broker) lockPreparation(ctx context.Context, l *link) (mine bool, err error) {
	sql := `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = 0;
		SELECT pg_try_advisory_xact_lock(hashtextextended('gentask index ` + b.config.Schema + `', 0))`
	results, err := l.conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return false, err
	}
	last := results[len(results)-1]
	return len(last.Rows) == 1 && string(last.Rows[0][0]) == "t", nil
}

// makeLock makes the columns and the index of version 3.
func (b *Broker) makeLock(ctx context.Context, l *link) (done bool, err error) {
	for _, table := range []string{"job", "letter"} {
		if err := b.addLockKey(ctx, l, table); code(err) == codeLockTimeout {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	return true, b.buildLockIndex(ctx, l)
}

// addLockKey adds the column to a table that lacks it.
func (b *Broker) addLockKey(ctx context.Context, l *link, table string) error {
	table = b.config.Schema + "." + table
	there := false
	const find = `SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = $1::text::regclass AND attname = 'lock_key')`
	err := l.conn.QueryRow(ctx, find, pgx.QueryExecModeExec, table).Scan(&there)
	if err != nil || there {
		return err
	}
	return l.transact(ctx, false,
		step{sql: "SET LOCAL lock_timeout = '" + prepareLock + "'"},
		step{sql: "ALTER TABLE " + table + " ADD COLUMN lock_key bytea"})
}

// buildLockIndex builds the index, also if an earlier attempt was interrupted.
func (b *Broker) buildLockIndex(ctx context.Context, l *link) error {
	there, valid := false, false
	const find = `SELECT count(*) > 0, coalesce(bool_and(indisvalid), false) FROM pg_index
		WHERE indexrelid = to_regclass($1::text || '.job_lock')`
	err := l.conn.QueryRow(ctx, find, pgx.QueryExecModeExec, b.config.Schema).Scan(&there, &valid)
	if err != nil || valid {
		return err
	}
	list := []string{"SET lock_timeout = 0", "SET statement_timeout = 0"}
	if there {
		list = append(list, "DROP INDEX CONCURRENTLY {}.job_lock")
	}
	list = append(list,
		"CREATE UNIQUE INDEX CONCURRENTLY job_lock ON {}.job (queue, lock_key) WHERE lock_key IS NOT NULL")
	for _, sql := range list {
		sql = strings.ReplaceAll(sql, "{}", b.config.Schema)
		if _, err := l.conn.Exec(ctx, sql, pgx.QueryExecModeExec); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}
