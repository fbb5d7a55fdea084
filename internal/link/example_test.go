package link_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// A caller acknowledges its only delivery, and closes the link when the broker has taken that.
func Example() {
	jobs := memory.New(memory.Config{Name: "jobs"})
	defer jobs.Close()
	if err := jobs.Publish(context.Background(), queue.Message{ID: "1"}); err != nil {
		log.Fatal(err)
	}
	inbox := make(chan any, 10)
	host := guard.NewHost(actor.Recovered)
	l := link.Open(link.Config[string]{
		Source: jobs, Options: queue.Options{Prefetch: 1}, OpenTimeout: time.Minute,
		Send:       func(msg any) { inbox <- msg },
		Deliver:    func(_ *link.Link[string], d *queue.Delivery) { inbox <- d },
		LeftBehind: func() { log.Print("driver does not return") },
		Closing:    host.Hook("Session.Close", 0),
		Waiting:    host.Hook("BacklogReporter.Backlog", time.Second),
		Standing:   host.Hook("Session.Standby", time.Second),
		Driving:    host.Hook("Session", 0),
	})
	for msg := range inbox {
		switch msg := msg.(type) {
		case *link.Opened[string]:
			fmt.Println("opened")
		case *queue.Delivery:
			fmt.Println("received", msg.ID)
			l.Settle(msg.ID, queue.Settlement{Delivery: msg, Disposition: queue.Ack})
			l.Flush()
		case *link.Settled[string]:
			fmt.Println("settled", msg.Entries, msg.Err)
			msg.Recycle()
			l.Close(link.CloseTimeout)
		case *link.Closed[string]:
			fmt.Println("closed")
			return
		}
	}
	// Output:
	// opened
	// received 1
	// settled [1] <nil>
	// closed
}
