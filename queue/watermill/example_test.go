package watermill_test

import (
	"context"
	"fmt"
	"log"

	wm "github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/watermill"
)

// A topic of any Pub/Sub of watermill, consumed by gentask. Here it is one in the process.
func Example() {
	channel := gochannel.NewGoChannel(gochannel.Config{}, wm.NopLogger{})
	defer channel.Close()
	emails, err := watermill.New(channel, "emails", watermill.Config{Publisher: channel, Hold: true})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	send := func(_ context.Context, to string) error {
		fmt.Println("sent to", to)
		cancel()
		return nil
	}
	err = gentask.Run(ctx, emails, gentask.Handle(send), gentask.Config{OnEvent: func(ev gentask.Event) {
		if ev.Kind == gentask.EventSessionOpened { // gochannel drops messages without a subscriber
			_ = emails.Publish(ctx, queue.Message{Body: []byte("alice")})
		}
	}})
	fmt.Println(err)
	// Output:
	// sent to alice
	// <nil>
}
