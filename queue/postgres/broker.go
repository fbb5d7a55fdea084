package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gentask/gentask/queue"
)

// Broker is a PostgreSQL database with the tables of [Migrate]. It must be made by [New]. It needs
// no closing. It is safe for concurrent use.
type Broker struct {
	pool   *pgxpool.Pool
	config Config
	mode   pgx.QueryExecMode
	sql    *statements
	fits   atomic.Bool // the version of the schema was checked

	mu   sync.Mutex
	lost []int64 // sessions of this process that are over, and whose leases may still hold
}

// New returns the broker in the database of pool. It only checks its arguments, with an error that
// wraps queue.ErrConfig and names all that can't be right: a server that is down is no error here.
//
// Publish and the operations on letters use the pool, of any size, and PublishTx only its
// transaction. A session makes two connections of its own, with the configuration and the hooks
// BeforeConnect and AfterConnect of the pool. It therefore never waits for the user's transactions.
// Closing the pool leaves open sessions running.
//
// Through PgBouncer in transaction mode, the pool must have the DefaultQueryExecMode
// pgx.QueryExecModeExec.
func New(pool *pgxpool.Pool, cfg Config) (*Broker, error) {
	cfg, err := cfg.withDefaults()
	if pool == nil {
		err = errors.Join(fmt.Errorf("postgres: %w: pool is nil, must be a pool of connections", queue.ErrConfig), err)
	}
	if err != nil {
		return nil, err
	}
	return &Broker{
		pool: pool, config: cfg, mode: mode(pool.Config().ConnConfig), sql: newStatements(cfg.Schema, cfg.Unique),
	}, nil
}

// Queue returns the queue of that name. It exists as soon as it is used. The name is validated
// then: it must be 1 to 255 bytes of UTF-8 without NUL.
func (b *Broker) Queue(name string) *Queue { return &Queue{broker: b, name: name} }

// maxName is the most bytes of a queue's name.
const maxName = 255

func checkName(name string) error {
	if name == "" || len(name) > maxName || !storable(name) {
		return fmt.Errorf("postgres: %w: the queue's name is %.80q, must be 1 to %d bytes of UTF-8 without NUL",
			queue.ErrConfig, name, maxName)
	}
	return nil
}

// storable reports whether a column of type text can hold s.
func storable(s string) bool {
	for _, r := range s {
		if r == 0 {
			return false
		}
	}
	return utf8.ValidString(s)
}

// fit returns an error unless this program can work with the schema. It asks once.
func (b *Broker) fit(ctx context.Context, q querier) error {
	if b.fits.Load() {
		return nil
	}
	have, oldest, err := findVersion(ctx, q, b.config.Schema)
	if err == nil {
		err = checkVersion(b.config.Schema, have, oldest)
	}
	if err != nil {
		return explain(err)
	}
	b.fits.Store(true)
	return nil
}

// mode returns how a connection of cfg executes statements. Only prepared statements are faster
// than QueryExecModeExec, and PgBouncer in transaction mode supports no other.
func mode(cfg *pgx.ConnConfig) pgx.QueryExecMode {
	if cfg.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		return pgx.QueryExecModeCacheStatement
	}
	return pgx.QueryExecModeExec
}

// leave notes a session that is lost. The next session to open gives back what it held, without a
// wait for the end of its lease.
func (b *Broker) leave(id int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost = append(b.lost, id)
}

// left returns the sessions that are lost.
func (b *Broker) left() []int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]int64{}, b.lost...)
}

// forget removes sessions from those that are lost.
func (b *Broker) forget(ids []int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost = slices.DeleteFunc(b.lost, func(id int64) bool { return slices.Contains(ids, id) })
}
