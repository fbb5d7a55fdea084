package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/rabbitmq/internal/replica"
)

// store implements queue.Store over a stream, as a log that each program applies.
type store struct {
	broker *Broker
	stream string
	sizes  sizes
	keeper *keeper[*storeLink]
	work   sync.WaitGroup
	asked  chan struct{} // capacity 1: a proof is asked for

	mu       sync.Mutex
	follower *replica.Follower
	state    *replica.State // the newest that is known; nil before the first
	waiting  map[string]*waiter
	watches  map[*watch]bool
	ends     map[string]ending // of records that are kept for a time
	proved   time.Time         // nothing that was confirmed before is missing
	ticked   time.Time         // when the entry was applied that has advanced the clock of the log
	round    *round            // the next proof; nil if none is asked for
	loss     *loss             // of the end of the log; nil if nothing was lost
	first    bool              // the next reading begins at the first entry of the log
	quiet    time.Time         // until then others write a snapshot
	turn     time.Time         // when this program writes one; zero if none is due
}

// maxRecord is the size of the largest value of a record.
const maxRecord = 256 << 10

// leaseTime is the shortest time of a lease that makes sense. A cluster has another leader of a
// stream within a tenth of a second.
const leaseTime = 1500 * time.Millisecond

// Store returns the store of that name, which is the stream gentask.store.NAME. Each program that
// opens it has all its records in memory: it is for small state, of 8 MiB together. The error wraps
// [queue.ErrConfig] if the name is not valid, a right is missing, or the stream has other
// properties, [queue.ErrUnavailable] if the broker does not answer, and [queue.ErrClosed] after
// Close. The store has a connection of its own, and continues until it is closed.
//
// A record's time passes only while a program has the store open. See docs/drivers.md for the
// rights that it needs, and for what it costs.
func (b *Broker) Store(ctx context.Context, name string) (queue.Store, error) {
	if err := b.checkSeam(ctx, name); err != nil {
		return nil, err
	}
	s, err := b.store(ctx, name, usual)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// store opens a store, and waits until its records were read.
func (b *Broker) store(ctx context.Context, name string, z sizes) (*store, error) {
	s := &store{
		broker: b, stream: storePrefix + name, sizes: z, asked: make(chan struct{}, 1),
		follower: replica.NewFollower(), waiting: map[string]*waiter{}, watches: map[*watch]bool{},
		ends: map[string]ending{},
	}
	s.keeper = newKeeper(s.dial)
	call, done := s.keeper.within(ctx, openTimeout)
	defer done()
	if _, err := s.keeper.get(call); err != nil {
		err = s.keeper.failed(ctx, err)
		s.keeper.close()
		return nil, err
	}
	s.work.Go(s.prover)
	s.work.Go(s.upkeep)
	return s, nil
}

// ready returns the first reason why a call can't be served; bad is about its arguments.
func (s *store) ready(ctx context.Context, bad ...error) error {
	if err := errors.Join(bad...); err != nil {
		return fmt.Errorf("rabbitmq: %w", err)
	}
	if err := s.keeper.closed(); err != nil {
		return err
	}
	return ctx.Err()
}

// Get implements queue.Store.
func (s *store) Get(ctx context.Context, key string) (queue.Record, error) {
	err := s.ready(ctx, queue.CheckKey(key))
	if err == nil {
		err = s.prove(ctx)
	}
	if err != nil {
		return queue.Record{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, found := s.state.Get(key)
	if !found {
		return queue.Record{}, queue.ErrNoRecord
	}
	return copied(k.Record), nil
}

// copied returns a record whose value the caller may change.
func copied(r queue.Record) queue.Record {
	r.Value = append([]byte{}, r.Value...)
	return r
}

// Put implements queue.Store.
func (s *store) Put(
	ctx context.Context, key string, value []byte, condition queue.Revision, keep time.Duration,
) (queue.Revision, error) {
	var bad error
	if keep < 0 {
		bad = fmt.Errorf("%w: keep is %v, must be zero (for good) or more", queue.ErrConfig, keep)
	}
	if err := s.ready(ctx, queue.CheckKey(key), bad); err != nil {
		return 0, err
	}
	if len(value) > maxRecord {
		return 0, fmt.Errorf("rabbitmq: %w: value of %d bytes, must have at most %d",
			queue.ErrTooLarge, len(value), maxRecord)
	}
	return s.write(ctx, &replica.Entry{
		Kind: replica.KindPut, Key: key, Value: slices.Clone(value), Condition: condition, Keep: keep,
	})
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
	_, err := s.write(ctx, &replica.Entry{Kind: replica.KindDelete, Key: key, Condition: condition})
	return err
}

// Clear implements queue.Store.
func (s *store) Clear(ctx context.Context, prefix string) error {
	if err := s.ready(ctx, queue.CheckPrefix(prefix)); err != nil {
		return err
	}
	_, err := s.write(ctx, &replica.Entry{Kind: replica.KindClear, Key: prefix})
	return err
}

// Count implements queue.Store.
func (s *store) Count(ctx context.Context, prefix string) (int, error) {
	err := s.ready(ctx, queue.CheckPrefix(prefix))
	if err == nil {
		err = s.prove(ctx)
	}
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Count(prefix), nil
}

// Facts implements queue.Store.
func (s *store) Facts(ctx context.Context) (queue.StoreFacts, error) {
	err := s.ready(ctx)
	if err == nil {
		err = s.prove(ctx)
	}
	if err != nil {
		return queue.StoreFacts{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return queue.StoreFacts{
		Incarnation: s.state.Incarnation(), MaxValue: maxRecord, MinLease: leaseTime, Durability: queue.UntilPowerLoss,
	}, nil
}

// Close implements queue.Store.
func (s *store) Close() error {
	s.keeper.close()
	s.work.Wait()
	return nil
}
