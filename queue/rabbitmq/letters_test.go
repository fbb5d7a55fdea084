package rabbitmq

import (
	"testing"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// bury puts messages into the dead-letter queue with a bare client.
func bury(t testing.TB, q *Queue, msgs []queue.Message) (err error) {
	t.Helper()
	foreign(t, func(ch *amqp.Channel) {
		require.NoError(t, ch.Confirm(false))
		var last *amqp.DeferredConfirmation
		for _, m := range msgs {
			headers := amqp.Table{}
			for name, value := range m.Headers {
				headers[name] = value
			}
			last, err = ch.PublishWithDeferredConfirm("", q.deadName(), true, false,
				amqp.Publishing{MessageId: m.ID, Headers: headers, Body: m.Body, DeliveryMode: amqp.Persistent})
			require.NoError(t, err)
		}
		require.True(t, last.Wait())
	})
	return nil
}
