package rabbitmq

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// TestCloseIsBoundedOnADeadNetwork: a broker that no longer reads holds Close no longer than its
// context, and nothing is left behind.
func TestCloseIsBoundedOnADeadNetwork(t *testing.T) {
	p := newProxy(t)
	q := p.queue(t)
	require.NoError(t, q.Publish(t.Context(), numbered(2)...))
	s := open(t, q, 2)
	d := receive(t, s)
	p.last().stall()
	require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Cancel(ctx), context.DeadlineExceeded)
	start := time.Now()
	require.ErrorIs(t, s.Close(ctx), context.DeadlineExceeded)
	require.Less(t, time.Since(start), patience/2)
	require.NoError(t, s.Close(ctx), "the second does nothing")
}

// TestReleaseThatCannotPublishGivesBack: the message goes back nevertheless, at the price of an
// attempt.
func TestReleaseThatCannotPublishGivesBack(t *testing.T) {
	p := newProxy(t)
	q := p.queue(t)
	require.NoError(t, q.Publish(t.Context(), numbered(1)...))
	publishing := p.last()
	s := open(t, q, 1)
	d := receive(t, s)
	publishing.stall()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.NoError(t, s.Settle(ctx, []queue.Settlement{{Delivery: d, Disposition: queue.Release}}))
	again := receive(t, s)
	require.Equal(t, d.ID, again.ID)
	require.True(t, again.Redelivered)
	require.Equal(t, 2, again.Attempt)
	publishing.close()
}

// TestSettlementsThatPublishDoNotHoldUpAcks: while one goroutine waits for a confirm that does not
// come, another one acknowledges.
func TestSettlementsThatPublishDoNotHoldUpAcks(t *testing.T) {
	p := newProxy(t)
	q := p.queue(t)
	require.NoError(t, q.Publish(t.Context(), numbered(4)...))
	publishing := p.last()
	s := open(t, q, 2)
	first, second := receive(t, s), receive(t, s)
	publishing.stall()
	result := make(chan error, 1)
	go func() {
		result <- s.Settle(t.Context(), []queue.Settlement{{Delivery: first, Disposition: queue.Requeue}})
	}()
	publishing.awaitStalled(t)
	for range 2 {
		require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{Delivery: second, Disposition: queue.Ack}}))
		second = receive(t, s)
	}
	publishing.resume()
	require.NoError(t, <-result)
}

// TestDeadLetterOfTheBrokerItself: messages that a foreign consumer rejects, or the broker gives
// up, end in the same dead-letter queue.
func TestDeadLetterOfTheBrokerItself(t *testing.T) {
	for _, kind := range []QueueType{Quorum, Classic} {
		t.Run(string(kind), func(t *testing.T) {
			q := newQueue(t, Config{Type: kind})
			require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "poison"}))
			foreign(t, func(ch *amqp.Channel) {
				d, ok, err := ch.Get(q.name, false)
				require.NoError(t, err)
				require.True(t, ok)
				require.NoError(t, d.Reject(false))
			})
			require.Eventually(t, func() bool {
				stats, err := q.Inspect(t.Context())
				return err == nil && stats.DeadLettered == 1 && stats.Left()+stats.Consumers == 0
			}, patience, 10*time.Millisecond)
			for range 3 { // looking at it takes nothing away
				letters, err := q.DeadLetters(t.Context(), 5)
				require.NoError(t, err)
				require.Len(t, letters, 1)
				require.Equal(t, "poison", letters[0].ID)
			}
		})
	}
}

// TestPrefixOfReturnsAtTheBroker: what is given back never stands between acks of one frame.
func TestPrefixOfReturnsAtTheBroker(t *testing.T) {
	q := newQueue(t, Config{Type: Classic})
	require.NoError(t, q.Publish(t.Context(), numbered(20)...))
	s := open(t, q, 20)
	var done, back []queue.Settlement
	for i := range 20 {
		st := queue.Settlement{Delivery: receive(t, s), Disposition: queue.Ack}
		if i%3 == 1 {
			back = append(back, st)
		} else {
			done = append(done, st)
		}
	}
	require.NoError(t, s.Return(t.Context(), back))
	require.NoError(t, s.Settle(t.Context(), done))
	for range 7 {
		require.True(t, receive(t, s).Redelivered)
	}
	quiet(t, s)
	require.NoError(t, s.ended())
}

func TestNamesThatAHumanReads(t *testing.T) {
	q := newQueue(t, Config{Type: Classic, Name: "shop"})
	s := open(t, q, 1)
	require.True(t, strings.HasPrefix(s.consumers[0], "test@"), s.consumers[0])
	name, _ := s.link.Config.Properties["connection_name"].(string)
	require.True(t, strings.HasPrefix(name, "shop consumer test ("), name)
	require.Less(t, len(consumerTag(strings.Repeat("n", 1000), q.broker)), 255)
}
