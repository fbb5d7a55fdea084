package queuetest_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// driver is a memory queue with a bug.
type driver struct {
	*memory.Queue
	bug bug
}

// Open opens a session with the bug.
func (d *driver) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	if d.bug.open != nil {
		d.bug.open(&opts)
	}
	s, err := d.Queue.Open(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &session{Session: s, bug: d.bug, byNumber: map[uint64]*queue.Delivery{}}, nil
}

// Publish publishes with the bug.
func (d *driver) Publish(ctx context.Context, msgs ...queue.Message) error {
	for i := range msgs {
		if d.bug.publish != nil {
			d.bug.publish(&msgs[i])
		}
	}
	return d.Queue.Publish(ctx, msgs...)
}

// PublishResults publishes with the bug.
func (d *driver) PublishResults(ctx context.Context, msgs ...queue.Message) ([]queue.PublishResult, error) {
	for i := range msgs {
		if d.bug.publish != nil {
			d.bug.publish(&msgs[i])
		}
	}
	results, err := d.Queue.PublishResults(ctx, msgs...)
	if d.bug.results != nil {
		results = d.bug.results(results)
	}
	return results, err
}

// Inspect counts with the bug.
func (d *driver) Inspect(ctx context.Context) (queue.Stats, error) {
	stats, err := d.Queue.Inspect(ctx)
	if d.bug.inspect != nil {
		d.bug.inspect(&stats)
	}
	if d.bug.counted != nil {
		err = d.bug.counted(err)
	}
	return stats, err
}

// session is a session of the memory queue with a bug.
type session struct {
	queue.Session
	bug      bug
	mu       sync.Mutex
	byNumber map[uint64]*queue.Delivery // deliveries that are held
	late     []*queue.Delivery          // on their way at the last Cancel
}

// Receive receives with the bug.
func (s *session) Receive(ctx context.Context) (*queue.Delivery, error) {
	d, err := s.receive(ctx)
	if err != nil {
		return nil, err
	}
	if s.bug.deliver != nil {
		s.bug.deliver(d)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byNumber[d.Tag] = d
	return d, nil
}

// Cancel cancels with the bug: a delivery is on its way then.
func (s *session) Cancel(ctx context.Context) error {
	if s.bug.late != nil {
		soon, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		if d, err := s.Session.Receive(soon); err == nil {
			s.bug.late(d)
			s.mu.Lock()
			s.late = append(s.late, d)
			s.mu.Unlock()
		}
	}
	return s.Session.Cancel(ctx)
}

// receive returns what was on its way at the last Cancel, and then what the queue has.
func (s *session) receive(ctx context.Context) (*queue.Delivery, error) {
	s.mu.Lock()
	if len(s.late) > 0 {
		defer s.mu.Unlock()
		d := s.late[0]
		s.late = s.late[1:]
		return d, nil
	}
	s.mu.Unlock()
	return s.Session.Receive(ctx)
}

// Settle settles with the bug.
func (s *session) Settle(ctx context.Context, batch []queue.Settlement) error {
	batch = slices.Clone(batch)
	if s.bug.settle != nil {
		batch = s.bug.settle(s, batch)
	}
	err := s.Session.Settle(ctx, batch)
	s.forget(batch)
	if s.bug.after != nil {
		err = s.bug.after(err)
	}
	return err
}

// forget removes settled deliveries from those that are held.
func (s *session) forget(batch []queue.Settlement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range batch {
		if st.Delivery != nil {
			delete(s.byNumber, st.Delivery.Tag)
		}
	}
}

// upTo adds an ack for everything held before the last ack of batch.
func (s *session) upTo(batch []queue.Settlement) []queue.Settlement {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := uint64(0)
	for _, st := range batch {
		last = max(last, st.Delivery.Tag)
	}
	for tag, d := range s.byNumber {
		inBatch := slices.ContainsFunc(batch, func(st queue.Settlement) bool { return st.Delivery == d })
		if tag < last && !inBatch {
			batch = append(batch, queue.Settlement{Delivery: d, Disposition: queue.Ack})
		}
	}
	return batch
}

// byTag settles the delivery that has the same tag here.
func (s *session) byTag(batch []queue.Settlement) []queue.Settlement {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range batch {
		if d, ok := s.byNumber[batch[i].Delivery.Tag]; ok {
			batch[i].Delivery = d
		}
	}
	return batch
}

// allOrNone settles nothing when one of batch is settled already.
func (s *session) allOrNone(batch []queue.Settlement) []queue.Settlement {
	s.mu.Lock()
	defer s.mu.Unlock()
	settled := slices.IndexFunc(batch, func(st queue.Settlement) bool { return s.byNumber[st.Delivery.Tag] == nil })
	if settled < 0 {
		return batch
	}
	return batch[settled : settled+1]
}
