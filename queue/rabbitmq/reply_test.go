package rabbitmq

import (
	"context"
	"testing"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// TestARequestIsAnswered: another program's client sends requests with the address of a queue of
// its own, and of the broker's direct reply-to. It gets the answers there, with the correlation id.
func TestARequestIsAnswered(t *testing.T) {
	q := newQueue(t, Config{Type: Classic})
	c, err := gentask.New(q, gentask.Handle(func(ctx context.Context, n int) error {
		job, _ := gentask.FromContext(ctx)
		request := job.Properties()
		_, err := gentask.NewKind[int]("answer").Publish(ctx, q.broker.ReplyTo(request.ReplyTo), 2*n, queue.Message{
			Properties: &queue.Properties{CorrelationID: request.CorrelationID},
		})
		return err
	}), gentask.Config{})
	require.NoError(t, err)
	require.NoError(t, q.ensureQueue(t.Context()))
	require.NoError(t, c.Start())
	t.Cleanup(func() { _, _ = c.Stop(context.WithoutCancel(t.Context())) })

	foreign(t, func(ch *amqp.Channel) {
		own, err := ch.QueueDeclare("", false, true, true, false, nil)
		require.NoError(t, err)
		for address, autoAck := range map[string]bool{own.Name: false, directReply: true} {
			answers, err := ch.Consume(address, "", autoAck, false, false, false, nil)
			require.NoError(t, err)
			require.NoError(t, ch.PublishWithContext(t.Context(), "", q.name, true, false, amqp.Publishing{
				ReplyTo: address, CorrelationId: "id-" + address, Body: []byte("21"), ContentType: "text/plain",
			}))
			select {
			case answer := <-answers:
				require.Equal(t, "42", string(answer.Body))
				require.Equal(t, "id-"+address, answer.CorrelationId)
				require.Equal(t, "application/json", answer.ContentType)
			case <-time.After(patience):
				t.Fatal("no answer to ", address)
			}
		}
	})
}

// TestAnAnswerThatCannotBeSent: one answer's fault is not that of the others.
func TestAnAnswerThatCannotBeSent(t *testing.T) {
	q := newQueue(t, Config{Type: Classic})
	require.NoError(t, q.ensureQueue(t.Context()))
	b := q.broker
	require.NoError(t, b.ReplyTo("nowhere").Publish(t.Context()))
	require.ErrorIs(t, b.ReplyTo(q.name+".gone").Publish(t.Context(), queue.Message{}), ErrUnroutable)
	require.ErrorIs(t, b.ReplyTo("").Publish(t.Context(), queue.Message{}), queue.ErrConfig)
	err := b.ReplyTo(q.name).Publish(t.Context(), queue.Message{ID: "good"}, queue.Message{ID: "bad", Priority: 99},
		queue.Message{ID: "late", NotBefore: time.Now().Add(time.Hour)}, queue.Message{ID: "unique", UniqueKey: "k"})
	require.ErrorIs(t, err, queue.ErrUnsupported)
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, "3 not confirmed")
	require.Equal(t, "good", take(t, q).MessageId)
}
