package rabbitmq_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// A message is published, fails once, comes back after a delay, and is done. Users of gentask leave
// receiving and settling to its consumer.
func Example() {
	url, err := brokertest.FindRabbitMQ() // or "amqp://user:password@host:5672/vhost"
	if err != nil {
		fmt.Println(err)
		return
	}
	broker, err := rabbitmq.New(url)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer broker.Close()
	emails := broker.Queue(fmt.Sprintf("gentask-example-%d", os.Getpid()))

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	defer func() { _ = emails.Delete(ctx) }()
	if err := consume(ctx, emails); err != nil {
		fmt.Println(err)
	}
	// Output:
	// hello, attempt 1
	// hello, attempt 2
}

func consume(ctx context.Context, emails *rabbitmq.Queue) error {
	if err := emails.Publish(ctx, queue.Message{Body: []byte("hello")}); err != nil {
		return err
	}
	session, err := emails.Open(ctx, queue.Options{Prefetch: 10, Name: "mailer"})
	if err != nil {
		return err
	}
	defer session.Close(ctx)
	for _, disposition := range []queue.Disposition{queue.Requeue, queue.Ack} {
		d, err := session.Receive(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%s, attempt %d\n", d.Body, d.Attempt)
		if err := session.Settle(ctx, []queue.Settlement{{
			Delivery: d, Disposition: disposition,
			After: 50 * time.Millisecond,
		}}); err != nil {
			return err
		}
	}
	return nil
}
