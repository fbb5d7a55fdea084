package brokertest

import (
	"context"
	"slices"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gentask/gentask/queue"
)

// Bury puts messages into a stream as a stranger does: id, body and headers, and nothing that the driver would add. It returns when they are
// stored, or when ctx ends.
func Bury(ctx context.Context, js jetstream.JetStream, subject string, msgs []queue.Message) error {
	for some := range slices.Chunk(msgs, 1000) { // the client's limit is 4,000 that are not confirmed
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
