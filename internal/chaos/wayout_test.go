package chaos

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// blocked is a broker that does not take what a settlement must publish.
type blocked struct {
	name    string
	reason  error                       // of the settlement
	strike  func(t *blockedQueue) error // and end
	end     func(t *blockedQueue) error // the queue takes everything again
	letters bool                        // dead letters are taken
	parks   bool                        // the broker itself dead-letters what is given back for it
}

// blockedQueue is a queue with one session.
type blockedQueue struct {
	testing.TB
	*RabbitMQ
	b *rabbitmq.Broker
	q *rabbitmq.Queue
	s queue.Session
}

// TestWayOut: a job fails while the broker takes no copy of its message. That settlement is
// refused, and costs no other delivery its own; the delivery can be given back, and the session
// goes on.
func TestWayOut(t *testing.T) {
	for _, w := range []blocked{
		{
			name: "memory alarm", reason: rabbitmq.ErrBlocked, strike: (*blockedQueue).alarm,
			end: func(q *blockedQueue) error { return q.SetMemoryAlarm(false) },
		},
		{
			name: "right to publish withdrawn", reason: rabbitmq.ErrRefused, parks: true,
			strike: (*blockedQueue).withdraw,
			end:    func(q *blockedQueue) error { return q.GiveRights() },
		},
		{
			name: "queue full", reason: rabbitmq.ErrNacked, letters: true, strike: (*blockedQueue).fill,
			end: func(q *blockedQueue) error { return q.ClearPolicy(q.q.Name()) },
		},
	} {
		for _, kind := range []rabbitmq.QueueType{rabbitmq.Quorum, rabbitmq.Classic} {
			if !full && kind == rabbitmq.Classic {
				continue
			}
			t.Run(w.name+"/"+string(kind), func(t *testing.T) {
				q := newBlockedQueue(t, kind)
				w.run(q)
			})
		}
	}
}

// TestALimitThatIsTakenAway: a queue was full, and refused messages for some time. Then an operator
// takes its limit away. Publishers and settlements that were refused go on, over the same Broker.
func TestALimitThatIsTakenAway(t *testing.T) {
	for _, kind := range []rabbitmq.QueueType{rabbitmq.Quorum, rabbitmq.Classic} {
		if !full && kind == rabbitmq.Classic {
			continue
		}
		t.Run(string(kind), func(t *testing.T) {
			q := newBlockedQueue(t, kind)
			d := q.receive()
			require.NoError(t, q.fill())
			require.NoError(t, q.ClearPolicy(q.q.Name()))
			q.until("it is taken", func() bool { return q.late(limit) == nil })
			q.until("it is settled", func() bool { return q.settle(q.s.Settle, d, queue.Requeue) == nil })
		})
	}
}

func newBlockedQueue(t *testing.T, kind rabbitmq.QueueType) *blockedQueue {
	t.Helper()
	r := sharedRabbit(t)
	b, err := rabbitmq.New(r.URL(0), rabbitmq.Config{Type: kind})
	require.NoError(t, err)
	q := &blockedQueue{TB: t, RabbitMQ: r, b: b, q: b.Queue("wayout-" + rand.Text()[:8])}
	require.NoError(t, q.q.Publish(t.Context(), queue.Message{ID: "requeue"}, queue.Message{ID: "bury"}, queue.Message{ID: "ack"}))
	q.s, err = q.q.Open(t.Context(), queue.Options{Prefetch: 3})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, q.s.Close(ctx))
		require.NoError(t, q.q.Delete(ctx))
		require.NoError(t, b.Close())
	})
	return q
}

// alarm returns when the driver knows that it is blocked. The broker says so to those who try to
// publish.
func (q *blockedQueue) alarm() error {
	if err := q.SetMemoryAlarm(true); err != nil {
		return err
	}
	q.until("the broker says that it blocks", func() bool {
		_ = q.late(100 * time.Millisecond)
		_, blocked := q.b.Blocked()
		return blocked
	})
	return nil
}

// withdraw returns when the connection that had the rights is gone.
func (q *blockedQueue) withdraw() error {
	if err := q.WithdrawPublishing(); err != nil {
		return err
	}
	q.until("it is refused", func() bool { return errors.Is(q.late(limit), rabbitmq.ErrRefused) })
	return nil
}

// late publishes what may arrive.
func (q *blockedQueue) late(within time.Duration) error {
	ctx, cancel := context.WithTimeout(q.Context(), within)
	defer cancel()
	return q.q.Publish(ctx, queue.Message{ID: late})
}

func (q *blockedQueue) until(what string, cond func() bool) {
	q.Helper()
	for end := time.Now().Add(limit); !cond(); pause(nil, 10*time.Millisecond) {
		require.True(q, time.Now().Before(end), "in vain: %s", what)
	}
}

// fill leaves the queue no room.
func (q *blockedQueue) fill() error {
	name := q.q.Name()
	if err := errors.Join(
		q.SetPolicy(name, "^"+name+"$", `{"overflow":"reject-publish"}`), // known before the limit is
		q.SetPolicy(name, "^"+name+"$", `{"overflow":"reject-publish","max-length":1}`),
	); err != nil {
		return err
	}
	q.until("it is full", func() bool { return q.late(limit) != nil })
	return nil
}

func (q *blockedQueue) receive() *queue.Delivery {
	q.Helper()
	ctx, cancel := context.WithTimeout(q.Context(), limit)
	defer cancel()
	d, err := q.s.Receive(ctx)
	require.NoError(q, err)
	return d
}

// settle settles one delivery, within the time that a broker on a busy machine may take.
func (q *blockedQueue) settle(by func(context.Context, []queue.Settlement) error, d *queue.Delivery, as queue.Disposition) error {
	ctx, cancel := context.WithTimeout(q.Context(), limit)
	defer cancel()
	return by(ctx, []queue.Settlement{{Delivery: d, Disposition: as, Reason: "it failed"}})
}

func (w blocked) run(q *blockedQueue) {
	q.Helper()
	as := map[string]queue.Disposition{"requeue": queue.Requeue, "bury": queue.DeadLetter, "ack": queue.Ack}
	held := map[string]*queue.Delivery{}
	for range as {
		d := q.receive()
		held[d.ID] = d
	}
	require.NoError(q, w.strike(q))
	ended := false
	defer func() {
		if !ended {
			require.NoError(q, w.end(q))
		}
	}()
	require.ErrorIs(q, q.settle(q.s.Settle, held["requeue"], as["requeue"]), w.reason)
	require.NoError(q, q.settle(q.s.Settle, held["ack"], as["ack"]))
	back := map[string]bool{"requeue": true}
	if err := q.settle(q.s.Settle, held["bury"], as["bury"]); !w.letters {
		require.ErrorIs(q, err, w.reason)
		require.NoError(q, q.settle(q.s.(queue.Returner).Return, held["bury"], as["bury"]))
		back["bury"] = !w.parks
	} else {
		require.NoError(q, err)
	}
	require.NoError(q, q.settle(q.s.(queue.Returner).Return, held["requeue"], as["requeue"]))
	for id, d := range q.await(back) {
		held[id] = d
	}

	require.NoError(q, w.end(q))
	ended = true
	for id, comes := range back {
		if comes {
			q.until("it is settled", func() bool { return q.settle(q.s.Settle, held[id], as[id]) == nil })
		}
	}
	d := q.await(map[string]bool{"requeue": true})["requeue"]
	require.GreaterOrEqual(q, d.Attempt, 2)
	require.NoError(q, q.settle(q.s.Settle, d, queue.Ack))
	q.until("it is dead-lettered", func() bool { // maybe by the broker itself
		at, err := q.q.Inspect(q.Context())
		return err == nil && at.DeadLettered == 1
	})
	letters, err := q.q.DeadLetters(q.Context(), 10)
	require.NoError(q, err)
	require.Len(q, letters, 1)
	require.Equal(q, "bury", letters[0].ID)
}

// await receives until these have come again, and acknowledges what was published late.
func (q *blockedQueue) await(ids map[string]bool) map[string]*queue.Delivery {
	q.Helper()
	found := map[string]*queue.Delivery{}
	for id, comes := range ids {
		for comes && found[id] == nil {
			d := q.receive()
			if d.ID != late {
				require.True(q, ids[d.ID], d.ID)
				found[d.ID] = d
				continue
			}
			require.NoError(q, q.settle(q.s.Settle, d, queue.Ack))
		}
	}
	return found
}

// late is what is published while the broker takes nothing; it may arrive.
const late = "late"
