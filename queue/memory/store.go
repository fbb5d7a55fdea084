package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
)

// store is one program's access to a bucket. It implements queue.Store.
type store struct {
	bucket *bucket
	line   *line
	once   sync.Once
	closed chan struct{}
}

// ready returns the first reason why a call can't be served; bad is about its arguments.
func (s *store) ready(ctx context.Context, bad ...error) error {
	if err := errors.Join(bad...); err != nil {
		return err
	}
	if isOver(s.closed) {
		return queue.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.line.err()
}

// Get implements queue.Store.
func (s *store) Get(ctx context.Context, key string) (queue.Record, error) {
	if err := s.ready(ctx, queue.CheckKey(key)); err != nil {
		return queue.Record{}, err
	}
	return s.bucket.get(key)
}

// Put implements queue.Store.
func (s *store) Put(
	ctx context.Context, key string, value []byte, condition queue.Revision, keep time.Duration,
) (queue.Revision, error) {
	if err := s.ready(ctx, queue.CheckKey(key), checkKeep(keep), checkSize("value", value)); err != nil {
		return 0, err
	}
	revision, err := s.bucket.put(key, slices.Clone(value), condition, keep)
	if err != nil {
		return 0, err
	}
	if err := s.line.answer(); err != nil {
		return 0, err
	}
	return revision, nil
}

// Delete implements queue.Store.
func (s *store) Delete(ctx context.Context, key string, condition queue.Revision) error {
	if err := s.ready(ctx, queue.CheckKey(key), checkDelete(condition)); err != nil {
		return err
	}
	if err := s.bucket.remove(key, condition); err != nil {
		return err
	}
	return s.line.answer()
}

// Clear implements queue.Store.
func (s *store) Clear(ctx context.Context, prefix string) error {
	if err := s.ready(ctx, queue.CheckPrefix(prefix)); err != nil {
		return err
	}
	s.bucket.clear(prefix)
	return s.line.answer()
}

// Count implements queue.Store.
func (s *store) Count(ctx context.Context, prefix string) (int, error) {
	if err := s.ready(ctx, queue.CheckPrefix(prefix)); err != nil {
		return 0, err
	}
	return s.bucket.count(prefix), nil
}

// Facts implements queue.Store.
func (s *store) Facts(ctx context.Context) (queue.StoreFacts, error) {
	if err := s.ready(ctx); err != nil {
		return queue.StoreFacts{}, err
	}
	return queue.StoreFacts{
		Incarnation: s.bucket.name(), MaxValue: maxValue, MinLease: minLease, Durability: queue.UntilExit,
	}, nil
}

// Close implements queue.Store.
func (s *store) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func checkKeep(keep time.Duration) error {
	if keep < 0 {
		return fmt.Errorf("%w: keep is %v, must be zero (for good) or more", queue.ErrConfig, keep)
	}
	return nil
}

func checkDelete(condition queue.Revision) error {
	if condition == queue.Absent {
		return fmt.Errorf("%w: condition of Delete is Absent, must be Always or a revision", queue.ErrConfig)
	}
	return nil
}

func checkSize(name string, value []byte) error {
	if len(value) > maxValue {
		return fmt.Errorf("%w: %s has %d bytes, must have at most %d", queue.ErrTooLarge, name, len(value), maxValue)
	}
	return nil
}
