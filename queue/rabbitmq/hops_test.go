package rabbitmq

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// requeueAll receives n deliveries and requeues them after a while, in one batch.
func requeueAll(t *testing.T, s *session, n int, after time.Duration) {
	t.Helper()
	batch := make([]queue.Settlement, n)
	for i := range batch {
		batch[i] = queue.Settlement{Delivery: receive(t, s), Disposition: queue.Requeue, After: after}
	}
	require.NoError(t, s.Settle(t.Context(), batch))
}

// argumentsOf returns what the broker says about a declaration with other arguments, one argument
// for each call.
func argumentOf(t *testing.T, name string, args amqp.Table) string {
	t.Helper()
	var reason string
	foreign(t, func(ch *amqp.Channel) {
		_, err := ch.QueueDeclare(name, true, false, false, false, args)
		require.Error(t, err)
		reason = err.Error()
	})
	return reason
}

// TestHop_FullQueueLosesNothing (B3): the work queue is full when delayed messages come due, and
// refuses them. They stay in their delay queue, for every type of work queue.
func TestHop_FullQueueLosesNothing(t *testing.T) {
	for _, kind := range []QueueType{Classic, Quorum} {
		t.Run(string(kind), func(t *testing.T) {
			q := newQueue(t, Config{Type: kind, Passive: true})
			foreign(t, func(ch *amqp.Channel) {
				for name, args := range map[string]amqp.Table{
					q.name: {"x-max-length": 5, argOverflow: rejectPublish}, q.deadName(): {},
				} {
					args["x-queue-type"] = string(kind)
					_, err := ch.QueueDeclare(name, true, false, false, false, args)
					require.NoError(t, err)
				}
			})
			s := open(t, q, 5)
			for range 2 {
				require.NoError(t, q.Publish(t.Context(), numbered(5)...))
				requeueAll(t, s, 5, 500*time.Millisecond)
			}
			// The consumer leaves, and others fill the queue until it refuses.
			require.NoError(t, s.Close(t.Context()))
			var full int
			require.Eventually(t, func() bool {
				err := q.Publish(t.Context(), queue.Message{ID: "filler"})
				if err == nil {
					full++
				}
				return err != nil
			}, patience, time.Millisecond)
			require.GreaterOrEqual(t, full, 5)
			delayed := q.delayName(rung(500 * time.Millisecond))
			require.Eventually(t, func() bool { // they have come due
				ready, err := q.broker.gauge.ready(t.Context(), delayed)
				return err == nil && ready == 0
			}, patience, 10*time.Millisecond)
			reason := argumentOf(t, delayed, amqp.Table{"x-queue-type": "classic"})
			require.Contains(t, reason, "inequivalent")
			requireNoExpiry(t, delayed, q)
		})
	}
}

// requireNoExpiry requires that a delay queue is declared as it must be: a declaration with the
// very same arguments is the only one that the broker takes.
func requireNoExpiry(t *testing.T, name string, q *Queue) {
	t.Helper()
	args := q.delayArgs(rung(500 * time.Millisecond))
	require.NotContains(t, args, "x-expires")
	foreign(t, func(ch *amqp.Channel) {
		_, err := ch.QueueDeclare(name, true, false, false, false, args)
		require.NoError(t, err)
	})
	args["x-expires"] = int32(1000)
	require.Contains(t, argumentOf(t, name, args), "x-expires")
}

// TestHop_OldWorkQueueIsAccepted: a work queue that an earlier version has declared has no safe way
// to its dead letters. It can't be changed, and is used as it is. A new one has it.
func TestHop_OldWorkQueueIsAccepted(t *testing.T) {
	q := newQueue(t, Config{})
	foreign(t, func(ch *amqp.Channel) {
		_, err := ch.QueueDeclare(q.deadName(), true, false, false, false, q.args())
		require.NoError(t, err)
		_, err = ch.QueueDeclare(q.name, true, false, false, false, q.workArgs())
		require.NoError(t, err)
	})
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
	require.Equal(t, "a", receive(t, open(t, q, 1)).ID)

	fresh := newQueue(t, Config{})
	open(t, fresh, 1)
	require.Contains(t, argumentOf(t, fresh.name, fresh.workArgs()), argStrategy)
}

// TestHop_OwnDeadLettering: what the queue itself gives up goes to the dead letters at least once.
// They are full, and later there is room.
func TestHop_OwnDeadLettering(t *testing.T) {
	q := newQueue(t, Config{})
	s := open(t, q, 1)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
	d := receive(t, s)
	s.mu.Lock()
	s.prefix.park(d.Tag)
	s.wake(1)
	s.mu.Unlock()
	require.Eventually(t, func() bool {
		stats, err := q.Inspect(t.Context())
		return err == nil && stats.DeadLettered == 1
	}, patience, 10*time.Millisecond)
}

// TestHop_EarlyCopyIsSeen (B27): something at the broker shortens a delay, as a policy with
// message-ttl does. The delivery has the end of its delay, and so does a message that was published
// with NotBefore.
func TestHop_EarlyCopyIsSeen(t *testing.T) {
	for _, kind := range []QueueType{Classic, Quorum} {
		t.Run(string(kind), func(t *testing.T) {
			q := newQueue(t, Config{Type: kind})
			s := open(t, q, 2)
			require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "again"},
				queue.Message{ID: "later", NotBefore: time.Now().Add(time.Hour)}))
			requeueAll(t, s, 1, time.Hour)
			due := time.Now().Add(time.Hour)
			name := q.delayName(rung(time.Hour))
			foreign(t, func(ch *amqp.Channel) { // what the policy would do
				for range 2 {
					var raw amqp.Delivery
					require.Eventually(t, func() (ok bool) {
						var err error
						raw, ok, err = ch.Get(name, true)
						return err == nil && ok
					}, patience, time.Millisecond)
					require.NoError(t, ch.PublishWithContext(t.Context(), "", q.name, true, false,
						amqp.Publishing{MessageId: raw.MessageId, Headers: raw.Headers}))
				}
			})
			for range 2 {
				d := receive(t, s)
				require.WithinDuration(t, due, d.NotBefore, time.Minute, d.ID)
				require.NoError(t, s.Settle(t.Context(), one(d, queue.Release, time.Until(d.NotBefore))))
			}
		})
	}
}

// TestHop_VanishedQueueIsLoud (B6): a delay queue is gone with its messages, as after a policy with
// expires. The session ends with an error that names the queue; the next one works.
func TestHop_VanishedQueueIsLoud(t *testing.T) {
	q := newQueue(t, Config{})
	for _, name := range []string{q.delayName(rung(time.Hour)), q.deadName()} {
		s := open(t, q, 1)
		require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
		requeueAll(t, s, 1, time.Hour)
		foreign(t, func(ch *amqp.Channel) {
			_, err := ch.QueueDelete(name, false, false, false)
			require.NoError(t, err)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
		_, err := s.Receive(ctx)
		cancel()
		require.ErrorIs(t, err, queue.ErrSessionLost)
		require.ErrorIs(t, err, queue.ErrConfig)
		require.ErrorContains(t, err, fmt.Sprintf("%q is gone", name))
		require.NoError(t, s.Close(t.Context()))
	}
}

// TestOpen_Together (B26): many nodes open a new quorum queue at the same moment, and publish with
// a delay.
func TestOpen_Together(t *testing.T) {
	for range 5 {
		q := newQueue(t, Config{})
		const nodes = 12
		at := q.url(t)
		errs := make(chan error, nodes)
		for range nodes {
			go func() {
				b, err := New(at, q.broker.cfg)
				if err != nil {
					errs <- err
					return
				}
				defer b.Close()
				s, err := b.Queue(q.name).Open(t.Context(), queue.Options{Prefetch: 1})
				if err == nil {
					err = b.Queue(q.name).Publish(t.Context(), queue.Message{NotBefore: time.Now().Add(time.Minute)})
				}
				if err == nil {
					err = s.Close(t.Context())
				}
				errs <- err
			}()
		}
		for range nodes {
			require.NoError(t, <-errs)
		}
	}
}
