package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gentask/gentask/queue"
)

// store implements queue.Store over a table of records.
type store struct {
	*calls
	name string
	sql  *storeStatements
	ear  *ear

	mu        sync.Mutex
	watches   map[*watch]bool
	listening bool
}

// Store returns the store of that name, which it makes if need be. The error wraps
// [queue.ErrConfig] if the name is not valid or a right is missing, [ErrVersion] if the schema does
// not fit, and [queue.ErrUnavailable] if the server can't be reached. Calls use the pool. The first
// watch makes one connection more, for notifications, until Close.
func (b *Broker) Store(ctx context.Context, name string) (queue.Store, error) {
	if err := queue.CheckSeamName(name); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	channel := b.config.Schema + " store " + name
	s := &store{
		calls: newCalls(b), name: name, sql: newStoreStatements(b.config.Schema, channel), watches: map[*watch]bool{},
	}
	s.ear = &ear{
		calls: s.calls, channel: channel, every: lookQuick, wake: s.wake, changed: s.newest, upkeep: s.upkeep,
	}
	if err := s.read(ctx, s.make); err != nil {
		s.end()
		return nil, err
	}
	s.tasks.Go(s.ear.keep)
	return s, nil
}

// Bounds of a store.
const (
	maxValue = 1 << 20
	minStore = 1500 * time.Millisecond // of a lease

	// lookQuick is the interval of looks for changes where notifications don't arrive.
	lookQuick = 50 * time.Millisecond
)

// make makes the row of the store.
func (s *store) make(ctx context.Context) error {
	if err := s.broker.fit(ctx, s.broker.pool); err != nil {
		return err
	}
	_, err := s.broker.pool.Exec(ctx, s.sql.make, s.broker.mode, s.name)
	return err
}

// Get implements queue.Store.
func (s *store) Get(ctx context.Context, key string) (queue.Record, error) {
	if err := s.ready(ctx, queue.CheckKey(key)); err != nil {
		return queue.Record{}, err
	}
	got, revision := queue.Record{Key: key}, int64(0)
	err := s.read(ctx, func(ctx context.Context) error {
		return s.broker.pool.QueryRow(ctx, s.sql.get, s.broker.mode, s.name, key).Scan(&revision, &got.Value)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return queue.Record{}, queue.ErrNoRecord
	}
	if err != nil {
		return queue.Record{}, err
	}
	got.Revision = queue.Revision(revision) //nolint:gosec // it begins above zero
	return got, nil
}

// Put implements queue.Store.
func (s *store) Put(
	ctx context.Context, key string, value []byte, condition queue.Revision, keep time.Duration,
) (queue.Revision, error) {
	var bad error
	if keep < 0 {
		bad = fmt.Errorf("%w: keep is %v, must be zero (for good) or more", queue.ErrConfig, keep)
	}
	if len(value) > maxValue {
		bad = fmt.Errorf("%w: value of %d bytes, must have at most %d", queue.ErrTooLarge, len(value), maxValue)
	}
	if err := s.ready(ctx, queue.CheckKey(key), bad); err != nil {
		return 0, err
	}
	if value == nil {
		value = []byte{}
	}
	args := []any{key, value, (keep + time.Microsecond - 1).Microseconds()}
	switch condition {
	case queue.Absent:
		return s.write(ctx, s.sql.create, args...)
	case queue.Always:
		return s.write(ctx, s.sql.put, args...)
	default:
		return s.write(ctx, s.sql.update, append(args, int64(condition))...) //nolint:gosec // another has no record
	}
}

// Delete implements queue.Store.
func (s *store) Delete(ctx context.Context, key string, condition queue.Revision) error {
	var bad error
	if condition == queue.Absent {
		bad = fmt.Errorf("%w: condition of Delete is Absent, must be Always or a revision", queue.ErrConfig)
	}
	if err := s.ready(ctx, queue.CheckKey(key), bad); err != nil {
		return err
	}
	if condition != queue.Always {
		_, err := s.write(ctx, s.sql.removeAt, key, int64(condition)) //nolint:gosec // another has no record
		return err
	}
	return unlessConflict(s.write(ctx, s.sql.remove, key))
}

// Clear implements queue.Store.
func (s *store) Clear(ctx context.Context, prefix string) error {
	if err := s.ready(ctx, queue.CheckPrefix(prefix)); err != nil {
		return err
	}
	return unlessConflict(s.write(ctx, s.sql.clear, prefix))
}

// unlessConflict returns the error of a write that is right if it has nothing to do.
func unlessConflict(_ queue.Revision, err error) error {
	if errors.Is(err, queue.ErrConflict) {
		return nil
	}
	return err
}

// errMadeAgain is the reason why nothing was written to a store that was not there.
var errMadeAgain = errors.New("postgres: the store was made again")

// write executes a statement that writes. It returns the new revision, and queue.ErrConflict if
// there is none.
func (s *store) write(ctx context.Context, sql string, args ...any) (queue.Revision, error) {
	var exists, notified bool
	var revision int64
	err := s.change(ctx, func(ctx context.Context) error {
		return s.broker.pool.QueryRow(ctx, sql, append([]any{s.broker.mode, s.name}, args...)...).
			Scan(&exists, &revision, &notified)
	})
	switch {
	case err != nil:
		return 0, err
	case !exists:
		err := s.read(ctx, s.make)
		return 0, fmt.Errorf("%w: %w", queue.ErrUnavailable, errors.Join(errMadeAgain, err))
	case revision == 0:
		return 0, queue.ErrConflict
	}
	return queue.Revision(revision), nil //nolint:gosec // it begins above zero
}

// Count implements queue.Store.
func (s *store) Count(ctx context.Context, prefix string) (int, error) {
	if err := s.ready(ctx, queue.CheckPrefix(prefix)); err != nil {
		return 0, err
	}
	n := 0
	err := s.read(ctx, func(ctx context.Context) error {
		return s.broker.pool.QueryRow(ctx, s.sql.count, s.broker.mode, s.name, prefix).Scan(&n)
	})
	return n, err
}

// Facts implements queue.Store.
func (s *store) Facts(ctx context.Context) (queue.StoreFacts, error) {
	if err := s.ready(ctx); err != nil {
		return queue.StoreFacts{}, err
	}
	facts := queue.StoreFacts{MaxValue: maxValue, MinLease: minStore, Durability: queue.UntilPowerLoss}
	var incarnation int64
	var onDisk bool
	err := s.read(ctx, func(ctx context.Context) error {
		err := s.broker.pool.QueryRow(ctx, s.sql.facts, s.broker.mode, s.name).Scan(&incarnation, &onDisk)
		if errors.Is(err, pgx.ErrNoRows) {
			return errors.Join(errMadeAgain, s.make(ctx))
		}
		return err
	})
	if err != nil {
		return queue.StoreFacts{}, err
	}
	if onDisk {
		facts.Durability = queue.ThroughPowerLoss
	}
	facts.Incarnation = strconv.FormatInt(incarnation, 10)
	return facts, nil
}

// Close implements queue.Store.
func (s *store) Close() error {
	s.end()
	return nil
}

// newest returns the newest revision of the store.
func (s *store) newest(ctx context.Context, l *link) (revision int64, err error) {
	err = l.conn.QueryRow(ctx, s.sql.newest, s.broker.mode, s.name).Scan(&revision)
	return revision, err
}

// upkeep removes records that have gone, and notes that there are watches. If it fails, the next
// one does it.
func (s *store) upkeep(ctx context.Context) {
	_, _ = s.broker.pool.Exec(ctx, s.sql.sweep, s.broker.mode, s.name)
	s.mu.Lock()
	watched := len(s.watches) > 0
	s.mu.Unlock()
	if watched {
		_, _ = s.broker.pool.Exec(ctx, s.sql.watching, s.broker.mode, s.name)
	}
}

// safe reports whether a statement that has failed was not applied.
func safe(err error) bool {
	var connect *pgconn.ConnectError
	return answered(err) || errors.As(err, &connect) || pgconn.SafeToRetry(err)
}
