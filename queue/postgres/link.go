package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// link is one connection of a session, used by one goroutine at a time.
type link struct {
	conn *pgx.Conn
}

// closeTimeout bounds the farewell to the server. The connection is closed either way.
const closeTimeout = time.Second

// connect makes a connection as the pool does, outside of it.
func (b *Broker) connect(ctx context.Context, name string) (*link, error) {
	cfg := b.pool.Config()
	cc := cfg.ConnConfig
	cc.DefaultQueryExecMode = b.mode
	// The end of a context interrupts a wait for notifications, and must send nothing to the
	// server.
	cc.BuildContextWatcherHandler = func(pc *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.DeadlineContextWatcherHandler{Conn: pc.Conn()}
	}
	if cc.RuntimeParams == nil {
		cc.RuntimeParams = map[string]string{}
	}
	cc.RuntimeParams["application_name"] = name
	if cfg.BeforeConnect != nil {
		if err := cfg.BeforeConnect(ctx, cc); err != nil {
			return nil, err
		}
	}
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return nil, err
	}
	l := &link{conn: conn}
	if cfg.AfterConnect != nil {
		if err := cfg.AfterConnect(ctx, conn); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

// close closes the connection, with a farewell if the server takes it.
func (l *link) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = l.conn.Close(ctx) // there is nothing more to do
	select {
	case <-l.conn.PgConn().CleanupDone(): // of a query that was interrupted
	case <-ctx.Done():
	}
}

// step is one statement of a transaction, with what to do with its rows.
type step struct {
	sql  string
	args []any
	rows func(pgx.Rows) error // nil: they do not matter
}

// transact executes steps in one transaction and one round trip. It asks for READ COMMITTED,
// because a role may have another default, under which sessions would disturb each other. If lazy,
// the commit does not wait for the disk.
func (l *link) transact(ctx context.Context, lazy bool, steps ...step) error {
	batch := &pgx.Batch{}
	batch.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	if lazy {
		batch.Queue("SET LOCAL synchronous_commit = off")
	}
	for _, s := range steps {
		queued := batch.Queue(s.sql, s.args...)
		if s.rows != nil {
			queued.Query(s.rows)
		}
	}
	batch.Queue("COMMIT")
	err := l.conn.SendBatch(ctx, batch).Close()
	if err != nil && !l.conn.IsClosed() && l.conn.PgConn().TxStatus() != 'I' {
		_, undo := l.conn.Exec(ctx, "ROLLBACK")
		err = errors.Join(err, undo)
	}
	return err
}

// retried executes steps, and again if others have disturbed them.
func (l *link) retried(ctx context.Context, lazy bool, steps ...step) error {
	var err error
	for range maxRepeats {
		if err = l.transact(ctx, lazy, steps...); !repeatable(err) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// maxRepeats is how often a transaction is tried that the server has rolled back for another one.
const maxRepeats = 5

// scan returns a step's rows that are one row with these columns.
func scan(to ...any) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		defer rows.Close()
		if rows.Next() {
			if err := rows.Scan(to...); err != nil {
				return err
			}
		}
		return rows.Err()
	}
}

// hear waits for a notification, and returns its payload. It returns false when ctx ends before.
func (l *link) hear(ctx context.Context) (payload string, came bool, err error) {
	n, err := l.conn.WaitForNotification(ctx)
	if err == nil {
		return n.Payload, true, nil
	}
	if ctx.Err() != nil && !l.conn.IsClosed() {
		err = nil
	}
	return "", false, err
}
