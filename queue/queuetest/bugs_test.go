package queuetest_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// bug is a mistake of a driver that somebody has made before, and the case that finds it.
type bug struct {
	found   string
	open    func(o *queue.Options)
	publish func(m *queue.Message)
	deliver func(d *queue.Delivery)
	settle  func(s *session, batch []queue.Settlement) []queue.Settlement
	after   func(err error) error
}

// bugs returns them by name.
func bugs() map[string]bug {
	return map[string]bug{
		"one more than the prefetch": {
			found: "delivery/prefetch_is_never_exceeded",
			open:  func(o *queue.Options) { o.Prefetch++ },
		},
		"prefetch 0 means something": {
			found: "session/bad_prefetch_is_refused",
			open:  func(o *queue.Options) { o.Prefetch = max(1, o.Prefetch) },
		},
		"headers are lost": {
			found:   "delivery/keeps_the_message",
			publish: func(m *queue.Message) { m.Headers = nil },
		},
		"empty header values are dropped": {
			found:   "delivery/hostile_headers",
			publish: func(m *queue.Message) { m.Headers = trim(m.Headers) },
		},
		"an empty body becomes null": {
			found:   "delivery/bodies_of_every_size",
			publish: func(m *queue.Message) { m.Body = []byte(cmp.Or(string(m.Body), "null")) },
		},
		"acks are multiple": {
			found:  "loss/out_of_order_acks_keep_what_is_held",
			settle: (*session).upTo,
		},
		"a tag is enough": {
			found:  "settle/a_delivery_of_another_session_is_refused",
			settle: (*session).byTag,
		},
		"a delay is cut to whole seconds": {
			found: "requeue/with_a_delay",
			settle: func(_ *session, batch []queue.Settlement) []queue.Settlement {
				for i := range batch {
					batch[i].After = batch[i].After.Truncate(time.Second)
				}
				return batch
			},
		},
		"a release costs an attempt": {
			found:  "release/costs_no_attempt",
			settle: replace(queue.Release, queue.Requeue),
		},
		"a requeue costs none": {
			found:  "requeue/at_once",
			settle: replace(queue.Requeue, queue.Release),
		},
		"a dead letter is dropped": {
			found:  "dead_letter/is_not_delivered_again",
			settle: replace(queue.DeadLetter, queue.Ack),
		},
		"a dead letter stays in the queue": {
			found:  "dead_letter/is_not_delivered_again",
			settle: replace(queue.DeadLetter, queue.Requeue),
		},
		"one settled delivery spoils the batch": {
			found:  "settle/a_settled_one_does_not_hold_up_the_others",
			settle: (*session).allOrNone,
		},
		"a second settlement is silently ignored": {
			found: "settle/only_the_first_counts",
			after: without(queue.ErrSettled),
		},
		"a lost session says nothing": {
			found: "loss/a_dead_session_settles_nothing",
			after: without(queue.ErrSessionLost),
		},
		"redelivered is never said": {
			found:   "loss/unsettled_deliveries_come_back",
			deliver: func(d *queue.Delivery) { d.Redelivered = false },
		},
	}
}

// trim returns headers, those without a value excepted.
func trim(headers map[string]string) map[string]string {
	kept := map[string]string{}
	for name, value := range headers {
		if value != "" {
			kept[name] = value
		}
	}
	return kept
}

// replace applies another verb than was asked for.
func replace(asked, applied queue.Verb) func(*session, []queue.Settlement) []queue.Settlement {
	return func(_ *session, batch []queue.Settlement) []queue.Settlement {
		for i := range batch {
			if batch[i].Verb == asked {
				batch[i].Verb = applied
			}
		}
		return batch
	}
}

// without hides errors that wrap hidden.
func without(hidden error) func(error) error {
	return func(err error) error {
		if errors.Is(err, hidden) {
			return nil
		}
		return err
	}
}

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

// session is a session of the memory queue with a bug.
type session struct {
	queue.Session
	bug      bug
	mu       sync.Mutex
	byNumber map[uint64]*queue.Delivery // what is held
}

// Receive receives with the bug.
func (s *session) Receive(ctx context.Context) (*queue.Delivery, error) {
	d, err := s.Session.Receive(ctx)
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

// forget strikes what was settled from what is held.
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
			batch = append(batch, queue.Settlement{Delivery: d, Verb: queue.Ack})
		}
	}
	return batch
}

// byTag takes for settled what has the same tag here.
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
