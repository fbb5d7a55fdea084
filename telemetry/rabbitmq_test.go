package telemetry_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/rabbitmq"
	"github.com/gentask/gentask/telemetry"
)

// TestOneTrace_OverRabbitMQ: a request publishes an order; its job publishes an e-mail, in another
// queue; and its job ends. All that belongs to one trace, in the order of a chain.
func TestOneTrace_OverRabbitMQ(t *testing.T) {
	broker, err := rabbitmq.New(brokertest.RabbitMQ(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, broker.Close()) })
	queueOf := func(name string) *rabbitmq.Queue {
		q := broker.Queue(fmt.Sprintf("gentask-telemetry-%s-%x", name, rand.Uint64())) //nolint:gosec // a name
		t.Cleanup(func() { require.NoError(t, q.Delete(context.Background())) })
		return q
	}
	orders, emails := queueOf("orders"), queueOf("emails")
	b := newBackend()
	b.Parent = true
	publisherOf := func(q queue.Publisher) *telemetry.Publisher {
		p, err := telemetry.NewPublisher(q, b.Config)
		require.NoError(t, err)
		return p
	}
	toOrders, toEmails := publisherOf(orders), publisherOf(emails)

	done := make(chan struct{})
	consume := func(q queue.Source, f func(context.Context, string) error) {
		c, err := gentask.New(q, gentask.Handle(f), gentask.Config{
			Logger: slog.New(slog.DiscardHandler),
			Policy: gentask.Policy{Middleware: []gentask.Middleware{telemetry.Middleware(b.Config)}},
		})
		require.NoError(t, err)
		stop := instrument(t, c, b.Config)
		require.NoError(t, c.Start())
		t.Cleanup(func() {
			_, err := c.Stop(context.Background())
			require.NoError(t, err)
			stop()
		})
	}
	consume(orders, func(ctx context.Context, order string) error {
		return toEmails.Publish(ctx, queue.Message{Body: []byte(`"mail for ` + order[1:] + `"`)})
	})
	consume(emails, func(context.Context, string) error { close(done); return nil })
	ctx, request := b.TracerProvider.Tracer("test").Start(t.Context(), "POST /orders")
	require.NoError(t, toOrders.Publish(ctx, queue.Message{Body: []byte(`"#12"`)}))
	request.End()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		require.FailNow(t, "no e-mail within 30 s")
	}
	chain := []string{
		"POST /orders", "send " + orders.Name(), "process " + orders.Name(), "send " + emails.Name(), "process " + emails.Name(),
	}
	ack := []string{"ack " + orders.Name(), "ack " + emails.Name()}
	require.Eventually(t, func() bool { return len(b.spans.Ended()) == len(chain)+len(ack) }, 30*time.Second, 10*time.Millisecond,
		"%v", b.names())
	parent := trace.SpanID{}
	for _, name := range chain {
		s := b.span(t, name)
		require.Equal(t, parent, s.Parent().SpanID(), name)
		require.Equal(t, request.SpanContext().TraceID(), s.SpanContext().TraceID(), name)
		if name != chain[0] {
			require.Equal(t, "rabbitmq", textsOf(s.Attributes())["messaging.system"])
		}
		parent = s.SpanContext().SpanID()
	}
	for i, name := range ack {
		require.Equal(t, b.span(t, chain[2+2*i]).SpanContext().SpanID(), b.span(t, name).Parent().SpanID())
	}
	b.metrics(t)
	require.Eventually(t, func() bool {
		all := b.metrics(t)
		_, waiting := all["gentask.queue.waiting"]
		_, letters := all["gentask.letters"]
		return waiting && letters
	}, 30*time.Second, 50*time.Millisecond, "the broker's figures")
}
