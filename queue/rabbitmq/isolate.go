package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gentask/gentask/queue"
)

var _ queue.Isolator = (*session)(nil)

// strandedFor is how long a suspect stays at its place before it goes back to the work queue, as it
// must when no consumer isolates suspects any more.
const strandedFor = 24 * time.Hour

// suspectsName returns the name of the queue with the suspects.
func (q *Queue) suspectsName() string {
	if q.broker.cfg.DelayPrefix != "" {
		return q.broker.cfg.DelayPrefix + q.name + ".suspects"
	}
	return q.name + ".suspects"
}

// suspectsArgs returns the arguments of that queue. It is a quorum queue for every [Config.Type],
// because only that counts how often a message was lost with its process.
func (q *Queue) suspectsArgs() amqp.Table {
	args := q.delayArgs(strandedFor)
	args["x-delivery-limit"] = lostLimit
	return args
}

// ensureSuspects declares that queue, once.
func (q *Queue) ensureSuspects(ctx context.Context) error {
	name := q.suspectsName()
	return q.broker.topology.ensure(ctx, name, func() error {
		return q.broker.controlLink(ctx, fmt.Sprintf("queue of suspects %q", name), func(l *link) error {
			return l.briefly(func(ch *amqp.Channel) error {
				made, err := ch.QueueDeclare(name, true, false, false, false, q.suspectsArgs())
				if err != nil {
					return err
				}
				return q.pin(l.server, ch, made)
			})
		})
	})
}

// Isolate implements [queue.Isolator]. Suspects go to the queue "<queue>.suspects", which is
// declared when the first session asks for it.
func (s *session) Isolate(ctx context.Context, batch []queue.Settlement) error {
	if err := s.queue.ensureSuspects(ctx); err != nil {
		failed := make([]queue.SettleFailure, len(batch))
		for i := range batch {
			failed[i] = queue.SettleFailure{Tag: tagOf(&batch[i]), Err: err}
		}
		return &queue.SettleError{Failed: failed}
	}
	err := s.settleBy(ctx, batch, s.claimSuspect, s.finish)
	s.send(nil, everything) // an original whose copy is there must not come back
	return err
}

// claimSuspect claims a delivery for its copy at the place for suspects. mu must be held.
func (s *session) claimSuspect(st *queue.Settlement) (*move, error) {
	h := s.unclaimed(st)
	if h == nil {
		return nil, queue.ErrSettled
	}
	h.claimed = true
	msg := h.copyOf(st.Attempts()-1, h.room-ours)
	msg.Headers[queue.HeaderSuspect] = msg.Headers[queue.HeaderAttempts]
	return &move{held: h, disposition: queue.Requeue, out: outgoing{queue: s.queue.suspectsName(), msg: msg}}, nil
}

// Isolated implements [queue.Isolator].
func (s *session) Isolated(ctx context.Context) (waiting int, err error) {
	if s.standsBy() {
		return 0, nil
	}
	if err := s.queue.ensureSuspects(ctx); err != nil {
		return 0, err
	}
	name, count := s.queue.suspectsName(), make(chan int, 1)
	err = s.ask(ctx, func() error {
		return s.link.briefly(func(ch *amqp.Channel) error {
			there, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
			count <- there.Messages
			return err
		})
	})
	if isNotFound(err) {
		s.queue.broker.topology.forget(name) // the next call declares it again
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("rabbitmq: suspects of queue %q: %w", s.queue.name, err)
	}
	return <-count, nil
}

// standsBy reports whether another consumer may be the single active one: the suspects are its. A
// session that was never the active one has received nothing.
func (s *session) standsBy() bool {
	if !s.found.single() && !s.queue.broker.cfg.SingleActiveConsumer {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.prefix.last() == 0
}

// ReceiveIsolated implements [queue.Isolator]. The broker has all settlements before it delivers a
// suspect: a suspect that kills its process undoes none of them.
func (s *session) ReceiveIsolated(ctx context.Context) (*queue.Delivery, error) {
	came := make(chan *held, 1)
	err := s.ask(ctx, func() error {
		s.send(nil, everything)
		raw, found, err := s.channel.Get(s.queue.suspectsName(), false)
		if err != nil {
			return err
		}
		if !found {
			came <- nil
			return nil
		}
		unblank(raw.Headers)
		h := s.holdBy(&raw, tallyOf(Config{Type: Quorum}, s.link.server))
		h.Isolated = true
		s.mu.Lock()
		defer s.mu.Unlock()
		s.prefix.hold(h)
		came <- h
		return nil
	})
	switch {
	case errors.Is(err, queue.ErrSessionLost), errors.Is(err, queue.ErrClosed):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("rabbitmq: suspects of queue %q: %w: %w", s.queue.name, queue.ErrSessionLost, err)
	}
	if h := <-came; h != nil {
		return &h.Delivery, nil
	}
	return nil, nil //nolint:nilnil // none waits
}
