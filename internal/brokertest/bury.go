package brokertest

import (
	"context"
	"slices"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gentask/gentask/queue"
)

// Bury publishes messages to a stream as another program would: with ID, body and headers, and
// without anything that the driver adds. It returns when they are stored, or when ctx ends.
func Bury(ctx context.Context, js jetstream.JetStream, subject string, msgs []queue.Message) error {
	for some := range slices.Chunk(msgs, 1000) { // the client allows 4,000 without a confirm
		for _, m := range some {
			header := natsgo.Header{}
			for name, value := range m.Headers {
				header[name] = []string{value}
			}
			if m.ID != "" {
				header[jetstream.MsgIDHeader] = []string{m.ID}
			}
			if _, err := js.PublishMsgAsync(&natsgo.Msg{Subject: subject, Header: header, Data: m.Body}); err != nil {
				return err
			}
		}
		select {
		case <-js.PublishAsyncComplete():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
