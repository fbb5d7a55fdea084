package rabbitmq

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// asSettleError is errors.As, for goroutines that must not end the test.
func asSettleError(err error, failed **queue.SettleError) bool { return errors.As(err, failed) }

// TestScenario22_UnroutableIsNamed: a message that the broker returns has an error, though the
// broker confirms it too. Messages to other queues at the same moment are unharmed, and the next
// publish declares the queue again.
func TestScenario22_UnroutableIsNamed(t *testing.T) {
	q := newQueue(t, Config{Type: Classic})
	other := q.broker.Queue(q.name + "-other")
	defer func() { require.NoError(t, other.Delete(t.Context())) }()
	require.NoError(t, q.Publish(t.Context(), numbered(1)...))
	require.NoError(t, other.Publish(t.Context(), numbered(1)...))
	foreign(t, func(ch *amqp.Channel) {
		_, err := ch.QueueDelete(q.name, false, false, false)
		require.NoError(t, err)
	})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := other.Publish(t.Context(), numbered(100)...); err != nil {
				t.Errorf("publish to a queue that exists: %v", err)
			}
		})
	}
	errs := q.broker.publisher.publish(t.Context(), []outgoing{
		{queue: q.name, msg: amqp.Publishing{MessageId: "lost"}},
		{queue: other.name, msg: amqp.Publishing{MessageId: "fine"}},
		{queue: q.name, msg: amqp.Publishing{MessageId: "too"}},
	})
	wg.Wait()
	require.ErrorIs(t, errs[0], ErrUnroutable)
	require.ErrorContains(t, errs[0], q.name)
	require.NoError(t, errs[1])
	require.ErrorIs(t, errs[2], ErrUnroutable)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "again"}), "it is declared again")
	require.Equal(t, "again", receive(t, open(t, q, 1)).ID)
}

// TestScenario22_NackedIsNamed: a full queue refuses, and the error names the message.
func TestScenario22_NackedIsNamed(t *testing.T) {
	q := newQueue(t, Config{Type: Classic, Passive: true})
	foreign(t, func(ch *amqp.Channel) {
		full := amqp.Table{"x-max-length": 2, "x-overflow": "reject-publish"}
		for name, args := range map[string]amqp.Table{q.name: full, q.deadName(): nil} {
			_, err := ch.QueueDeclare(name, true, false, false, false, args)
			require.NoError(t, err)
		}
	})
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "b"}))
	err := q.Publish(t.Context(), queue.Message{ID: "c"})
	var failed *queue.PublishError
	require.ErrorAs(t, err, &failed)
	require.ErrorIs(t, err, ErrNacked)
	require.Equal(t, "c", failed.Failed[0].ID)
}

// TestScenario22_LostConnectionIsNamedAndTheNextPublishMakesANewOne: nothing heals in the
// background, and nothing stays broken.
func TestScenario22_LostConnectionIsNamedAndTheNextPublishMakesANewOne(t *testing.T) {
	p := newProxy(t)
	q := p.queue(t)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
	p.last().stall()
	result := make(chan error, 1)
	go func() { result <- q.Publish(t.Context(), queue.Message{ID: "b"}) }()
	p.last().awaitStalled(t)
	p.last().close()
	err := <-result
	var failed *queue.PublishError
	require.ErrorAs(t, err, &failed)
	require.ErrorIs(t, err, ErrUnconfirmed)
	require.Equal(t, "b", failed.Failed[0].ID)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "c"}))
}

// TestScenario22_ABrokerThatStopsReadingHonoursTheContext: while the broker does not read, Publish
// ends with its context, even with more than the socket takes, and acknowledgements go on. When the
// broker reads again, publishing goes on too.
func TestScenario22_ABrokerThatStopsReadingHonoursTheContext(t *testing.T) {
	p := newProxy(t)
	q := p.queue(t)
	// The last connection is the publisher's, except for the session's.
	require.NoError(t, q.Publish(t.Context(), numbered(2)...))
	publishing := p.last()
	s := open(t, q, 1)
	d := receive(t, s)
	publishing.stall()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	large := make([]queue.Message, 64)
	for i := range large {
		large[i] = queue.Message{ID: "large-" + strconv.Itoa(i), Body: make([]byte, 1<<20)}
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := q.Publish(ctx, large...); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("want the context's error, got %v", err)
			}
		})
	}
	wg.Wait()
	var failed *queue.SettleError
	dead := []queue.Settlement{{Delivery: d, Disposition: queue.DeadLetter}}
	require.ErrorAs(t, s.Settle(ctx, dead), &failed, "the copy has no confirm")
	require.ErrorIs(t, failed, context.DeadlineExceeded)
	require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}),
		"it is still held")
	require.Equal(t, "1", receive(t, s).ID, "the ack has freed the slot")
	publishing.resume()
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "later"}))
}

// TestScenario22_BlockedIsVisible: Blocked returns the broker's alarm, and no more when it is over.
func TestScenario22_BlockedIsVisible(t *testing.T) {
	p := newProxy(t)
	q := p.queue(t)
	require.NoError(t, q.Publish(t.Context(), numbered(1)...))
	p.last().say("\x00\x0a\x00\x3c\x0alow memory") // connection.blocked
	require.Eventually(t, func() bool { why, blocked := q.broker.Blocked(); return blocked && why == "low memory" },
		patience, time.Millisecond)
	p.last().say("\x00\x0a\x00\x3d") // connection.unblocked
	require.Eventually(t, func() bool { _, blocked := q.broker.Blocked(); return !blocked }, patience, time.Millisecond)
}

// TestPublishIsPipelined: messages do not wait for each other's confirms, in one call or from many
// goroutines.
func TestPublishIsPipelined(t *testing.T) {
	const n, publishers = 2000, 50
	p := newProxy(t)
	p.delay(10 * time.Millisecond)
	q := p.queue(t)
	require.NoError(t, q.Publish(t.Context(), queue.Message{}))
	start := time.Now()
	var wg sync.WaitGroup
	for range publishers {
		wg.Go(func() {
			for range 5 {
				if err := q.Publish(t.Context(), queue.Message{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, q.Publish(t.Context(), numbered(n)...))
	require.Less(t, time.Since(start), (n+5*publishers)*10*time.Millisecond/4,
		"one after the other would take four times as long")
}
