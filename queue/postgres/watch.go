package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/internal/following"
)

// watch is one loop over a Watch. Each read is one statement, and so one state of the table.
type watch struct {
	store  *store
	prefix string
	yield  func(queue.Change, error) bool
	view   following.View
	wake   chan struct{} // capacity 1

	incarnation int64
	revision    int64     // the newest that was read; -1 before the first read
	clock       int64     // the server's, of the last read, in microseconds
	sure        time.Time // of the last read
}

// Times of a watch.
const (
	readEvery = time.Second      // because nothing notifies of a record whose time is over
	markTime  = 30 * time.Second // half of the time for which the mark of a record that has gone is kept
)

// row is one change, or only the state of the store.
type row struct {
	incarnation, clock int64
	key                string
	revision           int64
	value              []byte
	gone               bool
}

// Watch implements queue.Store.
func (s *store) Watch(ctx context.Context, prefix string) iter.Seq2[queue.Change, error] {
	return func(yield func(queue.Change, error) bool) {
		if err := s.ready(context.Background(), queue.CheckPrefix(prefix)); err != nil {
			yield(queue.Change{}, err)
			return
		}
		w := &watch{store: s, prefix: prefix, yield: yield, wake: make(chan struct{}, 1), revision: -1, clock: -1}
		s.add(w)
		defer s.drop(w)
		if err := w.follow(ctx); err != nil {
			yield(queue.Change{}, err)
		}
	}
}

// add adds a watch. The first one makes the store listen.
func (s *store) add(w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches[w] = true
	if !s.listening && s.life.Err() == nil {
		s.listening = true
		s.tasks.Go(s.ear.listen)
	}
}

func (s *store) drop(w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watches, w)
}

// wake makes all watches read.
func (s *store) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watches {
		select {
		case w.wake <- struct{}{}:
		default: // it is awake
		}
	}
}

// follow reads until ctx or the loop ends. Its error is to be yielded.
func (w *watch) follow(ctx context.Context) error {
	s := w.store
	for {
		wait := readEvery
		more, err := w.read(ctx)
		switch {
		case !more && err == nil:
			return nil
		case ctx.Err() != nil, s.life.Err() != nil:
			return s.closed()
		case errors.Is(err, queue.ErrConfig):
			return err
		case err != nil:
			wait = reconnect
		default:
			wait = min(wait, max(0, time.Until(w.view.Due())))
		}
		select {
		case <-w.wake:
		case <-time.After(wait):
		case <-ctx.Done():
		case <-s.life.Done():
		}
	}
}

// read yields what has changed. It returns false without an error if the loop has ended.
func (w *watch) read(ctx context.Context) (more bool, err error) {
	asked := time.Now()
	if asked.Sub(w.sure) > markTime {
		w.revision, w.clock = -1, -1 // marks may be gone
	}
	rows, err := w.changes(ctx)
	if err != nil {
		return true, err
	}
	if w.revision >= 0 && rows[0].incarnation != w.incarnation {
		w.revision, w.clock = -1, -1
		return w.read(ctx)
	}
	whole := w.revision < 0
	if whole && w.view.Begin(strconv.FormatInt(rows[0].incarnation, 10)) && !w.tell(queue.ChangeReset, "") {
		return false, nil
	}
	w.incarnation, w.clock, w.revision, w.sure = rows[0].incarnation, rows[0].clock, max(w.revision, 0), asked
	for _, r := range rows {
		w.revision = max(w.revision, r.revision)
		if r.key != "" && !w.apply(ctx, r) {
			return false, nil
		}
	}
	if whole && !w.finish() {
		return false, nil
	}
	return !w.view.Alive(asked) || w.tell(queue.ChangeAlive, ""), nil
}

// finish yields the end of a reading of all records.
func (w *watch) finish() bool {
	for _, key := range w.view.Whole() {
		if !w.tell(queue.ChangeGone, key) {
			return false
		}
	}
	return w.tell(queue.ChangeCurrent, "")
}

// apply yields a change, unless the loop has it. It returns false if the loop has ended.
func (w *watch) apply(ctx context.Context, r row) bool {
	switch {
	case ctx.Err() != nil || w.store.life.Err() != nil:
		return ctx.Err() == nil // follow finds it
	case r.gone:
		return !w.view.Gone(r.key) || w.tell(queue.ChangeGone, r.key)
	}
	revision := queue.Revision(r.revision) //nolint:gosec // it begins above zero
	return !w.view.Set(r.key, revision) ||
		w.yield(queue.Change{Record: queue.Record{Key: r.key, Value: r.value, Revision: revision}}, nil)
}

// tell yields a change without a value. It returns false if the loop has ended.
func (w *watch) tell(kind queue.ChangeKind, key string) bool {
	return w.yield(queue.Change{Kind: kind, Record: queue.Record{Key: key}}, nil)
}

// changes reads what has changed since the last read: at least one row.
func (w *watch) changes(ctx context.Context) (all []row, err error) {
	s := w.store
	err = s.read(ctx, func(ctx context.Context) error {
		rows, err := s.broker.pool.Query(ctx, s.sql.changes, s.broker.mode, s.name, w.prefix, w.revision, w.clock)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, func(line pgx.CollectableRow) (r row, err error) {
			err = line.Scan(&r.incarnation, &r.clock, &r.key, &r.revision, &r.value, &r.gone)
			return r, err
		})
		if err == nil && len(all) == 0 {
			err = errors.Join(errMadeAgain, s.make(ctx))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("postgres: watch: %w", err)
	}
	return all, nil
}
