package rabbitmq_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// The password was rotated: the first connection is refused. The next one calls the function again,
// and is accepted. The node that is down is skipped.
func Example_urls() {
	known, err := brokertest.FindRabbitMQ()
	if err != nil {
		fmt.Println(err)
		return
	}
	passwords := []string{"of last week", "guest"} // what the vault says, one time and the next
	broker, err := rabbitmq.New("", rabbitmq.Config{URLs: func(context.Context) ([]string, error) {
		at, err := url.Parse(known)
		if err != nil {
			return nil, err
		}
		at.User = url.UserPassword("guest", passwords[0])
		passwords = passwords[len(passwords)-1:]
		return []string{"amqp://127.0.0.1:1/", at.String()}, nil
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer broker.Close()
	emails := broker.Queue(fmt.Sprintf("gentask-example-urls-%d", os.Getpid()))
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	defer func() { _ = emails.Delete(ctx) }()
	for range 2 {
		fmt.Println("published:", emails.Publish(ctx, queue.Message{ID: "7"}) == nil)
	}
	// Output:
	// published: false
	// published: true
}
