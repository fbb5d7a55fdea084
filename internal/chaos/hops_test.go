package chaos

import (
	"context"
	"crypto/rand"
	"strconv"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// hop is a queue of the private broker, whose delayed messages are looked after.
type hop struct {
	testing.TB
	broker *RabbitMQ
	q      *rabbitmq.Queue
	ch     *amqp.Channel
}

// hops runs a test for both types of work queue, at the same time: it waits more than it works.
func hops(t *testing.T, passive bool, test func(h hop)) {
	r := sharedRabbit(t)
	for _, kind := range []rabbitmq.QueueType{rabbitmq.Classic, rabbitmq.Quorum} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b, err := rabbitmq.New(r.URL(0), rabbitmq.Config{Type: kind, Passive: passive})
			require.NoError(t, err)
			conn, err := amqp.Dial(r.URL(0))
			require.NoError(t, err)
			ch, err := conn.Channel()
			require.NoError(t, err)
			q := b.Queue("hop-" + rand.Text()[:8])
			t.Cleanup(func() {
				require.NoError(t, conn.Close())
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				require.NoError(t, q.Delete(ctx))
				require.NoError(t, b.Close())
			})
			test(hop{t, r, q, ch})
		})
	}
}

// declare declares the work queue, and the dead-letter queue, as an operator does.
func (h hop) declare(args amqp.Table) {
	for name, args := range map[string]amqp.Table{h.q.Name(): args, h.q.Name() + ".dead": nil} {
		_, err := h.ch.QueueDeclare(name, true, false, false, false, args)
		require.NoError(h, err)
	}
}

func (h hop) session(prefetch int) queue.Session {
	s, err := h.q.Open(h.Context(), queue.Options{Prefetch: prefetch})
	require.NoError(h, err)
	h.Cleanup(func() { _ = s.Close(context.WithoutCancel(h.Context())) })
	return s
}

func (h hop) receive(s queue.Session) *queue.Delivery {
	ctx, cancel := context.WithTimeout(h.Context(), time.Minute)
	defer cancel()
	d, err := s.Receive(ctx)
	require.NoError(h, err)
	return d
}

// delayed publishes n messages that are due after a while.
func (h hop) delayed(n int, after time.Duration) {
	msgs := make([]queue.Message, n)
	for i := range msgs {
		msgs[i] = queue.Message{ID: "delayed-" + strconv.Itoa(i), NotBefore: time.Now().Add(after)}
	}
	require.NoError(h, h.q.Publish(h.Context(), msgs...))
}

// await receives and acknowledges until n delayed messages have come.
func (h hop) await(s queue.Session, n int) {
	missing := map[string]bool{}
	for i := range n {
		missing["delayed-"+strconv.Itoa(i)] = true
	}
	for len(missing) > 0 {
		d := h.receive(s)
		delete(missing, d.ID)
		require.NoError(h, s.Settle(h.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}))
	}
}

// TestHops_FullQueue: ten delayed messages come due while the work queue is full and refuses them.
// None is lost when there is room.
func TestHops_FullQueue(t *testing.T) {
	hops(t, true, func(h hop) {
		h.declare(amqp.Table{"x-max-length": 5, "x-overflow": "reject-publish"})
		h.delayed(10, 2*time.Second)
		require.Eventually(h, func() bool {
			return h.q.Publish(h.Context(), queue.Message{ID: "filler"}) != nil
		}, time.Minute, time.Millisecond)
		until := time.NewTimer(3 * time.Second) // until they are due
		<-until.C
		h.await(h.session(1), 10)
	})
}

// TestHops_MissingQueue: delayed messages come due while their queue is gone for three seconds.
// None is lost.
func TestHops_MissingQueue(t *testing.T) {
	hops(t, false, func(h hop) {
		h.delayed(5, time.Second)
		_, err := h.ch.QueueDelete(h.q.Name(), false, false, false)
		require.NoError(h, err)
		until := time.NewTimer(3 * time.Second)
		<-until.C
		h.await(h.session(5), 5)
	})
}

// TestHops_PolicyExpires: an operator's policy deletes queues that are not used for three seconds,
// and with them what waits in them. The session ends, and says which queue is gone and why.
func TestHops_PolicyExpires(t *testing.T) {
	hops(t, false, func(h hop) {
		name := h.q.Name()
		require.NoError(h, h.broker.Ctl("set_policy", name, "^"+name, `{"expires":3000}`, "--apply-to", "queues"))
		defer func() { require.NoError(h, h.broker.Ctl("clear_policy", name)) }()
		s := h.session(5)
		h.delayed(5, time.Minute)
		ctx, cancel := context.WithTimeout(h.Context(), time.Minute)
		defer cancel()
		_, err := s.Receive(ctx)
		require.ErrorIs(h, err, queue.ErrSessionLost)
		require.ErrorIs(h, err, queue.ErrConfig)
		require.ErrorContains(h, err, name+".de") // .delay.<ms>ms or .dead
		require.ErrorContains(h, err, "expires")
	})
}

// TestHops_PolicyShortens: a policy with message-ttl also reaches the delay queues. A delivery that
// comes too early has the end of its delay, so that it can be put off again.
func TestHops_PolicyShortens(t *testing.T) {
	hops(t, false, func(h hop) {
		name := h.q.Name()
		require.NoError(h, h.broker.Ctl("set_policy", name, "^"+name, `{"message-ttl":1000}`, "--apply-to", "queues"))
		defer func() { require.NoError(h, h.broker.Ctl("clear_policy", name)) }()
		s := h.session(1)
		due := time.Now().Add(5 * time.Second)
		h.delayed(1, time.Until(due))
		early := 0
		for {
			d := h.receive(s)
			if d.NotBefore.IsZero() {
				require.NoError(h, s.Settle(h.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}))
				break
			}
			early++
			require.WithinDuration(h, due, d.NotBefore, time.Second)
			require.NoError(h, s.Settle(h.Context(), []queue.Settlement{
				{Delivery: d, Disposition: queue.Release, After: time.Until(d.NotBefore)},
			}))
		}
		require.Positive(h, early)
		require.WithinDuration(h, due, time.Now(), 20*time.Second)
		require.Less(h, time.Until(due), 1100*time.Millisecond, "no more than the clocks may differ")
	})
}
