package rabbitmq

import (
	"fmt"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

// BenchmarkStore: one write after the other, while so many programs read the log; and a message to
// the same stream with a confirm by the bare client.
func BenchmarkStore(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		name, _ := stores(b, usual, 1)
		foreign(b, func(ch *amqp.Channel) {
			require.NoError(b, ch.Confirm(false))
			message := amqp.Publishing{Body: make([]byte, 600)}
			for b.Loop() {
				confirm, err := ch.PublishWithDeferredConfirm("", storePrefix+name, true, false, message)
				require.NoError(b, err)
				require.True(b, confirm.Wait())
			}
		})
	})
	for _, programs := range []int{1, 10} {
		b.Run(fmt.Sprint("programs=", programs), func(b *testing.B) {
			_, all := stores(b, usual, programs)
			value := make([]byte, 500)
			for i := 0; b.Loop(); i++ {
				_, err := all[0].Put(b.Context(), fmt.Sprint("k", i%100), value, queue.Always, 0)
				require.NoError(b, err)
			}
		})
	}
}
