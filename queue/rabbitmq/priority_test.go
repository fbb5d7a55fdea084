package rabbitmq

import (
	"testing"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// TestForeignPriority: the priority of another client counts up to that of the queue, and its dead
// letter can run again.
func TestForeignPriority(t *testing.T) {
	for most, want := range map[int]int{0: 0, 3: 3} {
		q := newQueue(t, Config{Type: Classic, MaxPriority: most})
		s := open(t, q, 1)
		foreign(t, func(ch *amqp.Channel) {
			msg := amqp.Publishing{MessageId: "a", Priority: 200, Headers: amqp.Table{}}
			require.NoError(t, ch.PublishWithContext(t.Context(), "", q.name, false, false, msg))
		})
		d := receive(t, s)
		require.Equal(t, want, d.Priority)
		require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.DeadLetter}}))
		letters, err := q.DeadLetters(t.Context(), 1)
		require.NoError(t, err)
		require.NoError(t, q.Publish(t.Context(), letters...))
		require.Equal(t, want, receive(t, s).Priority)
	}
}

// TestScenario33_PriorityAboveTheQueueIsRefused, and the other messages of the call are published.
func TestScenario33_PriorityAboveTheQueueIsRefused(t *testing.T) {
	q := newQueue(t, Config{Type: Classic, MaxPriority: 3})
	err := q.Publish(t.Context(), queue.Message{ID: "a", Priority: 4}, queue.Message{ID: "b", Priority: 3})
	require.ErrorIs(t, err, queue.ErrUnsupported)
	require.ErrorContains(t, err, "Config.MaxPriority is 3")
	var failed *queue.PublishError
	require.ErrorAs(t, err, &failed)
	require.Len(t, failed.Failed, 1)
	require.Equal(t, "b", receive(t, open(t, q, 2)).ID)
}
