package memory_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// A message is published, received and acknowledged.
func Example() {
	ctx := context.Background()
	q := memory.New(memory.Config{Name: "emails"})
	defer q.Close()
	_ = q.Publish(ctx, queue.Message{Body: []byte("hello")})

	s, _ := q.Open(ctx, queue.Options{Prefetch: 10})
	d, _ := s.Receive(ctx)
	fmt.Printf("%s, attempt %d\n", d.Body, d.Attempt)
	_ = s.Settle(ctx, []queue.Settlement{{Delivery: d, Disposition: queue.Ack}})
	fmt.Println(q.Stats().Acked, "acknowledged")
	// Output:
	// hello, attempt 1
	// 1 acknowledged
}

// An ack is lost with its session: the message comes back, though its consumer believes that it is
// settled.
func ExampleFaults() {
	ctx := context.Background()
	q := memory.New(memory.Config{Faults: memory.Faults{LoseAck: memory.Times(1)}})
	defer q.Close()
	_ = q.Publish(ctx, queue.Message{ID: "order-17"})

	s, _ := q.Open(ctx, queue.Options{Prefetch: 1})
	d, _ := s.Receive(ctx)
	fmt.Println("settled:", s.Settle(ctx, []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}))
	_, err := s.Receive(ctx)
	fmt.Println("lost:", errors.Is(err, queue.ErrSessionLost))

	s, _ = q.Open(ctx, queue.Options{Prefetch: 1})
	d, _ = s.Receive(ctx)
	fmt.Println(d.ID, "again, attempt", d.Attempt)
	// Output:
	// settled: <nil>
	// lost: true
	// order-17 again, attempt 2
}

// The journal lists the events, and Check verifies them.
func ExampleQueue_Journal() {
	ctx := context.Background()
	q := memory.New(memory.Config{Journal: true})
	defer q.Close()
	_ = q.Publish(ctx, queue.Message{ID: "order-17"})
	s, _ := q.Open(ctx, queue.Options{Prefetch: 1})
	d, _ := s.Receive(ctx)
	_ = s.Settle(ctx, []queue.Settlement{{Delivery: d, Disposition: queue.DeadLetter, Reason: "bad address"}})

	for _, e := range q.Journal() {
		fmt.Println(e.Op)
	}
	fmt.Println("books:", q.Check())
	// Output:
	// published
	// opened
	// delivered
	// settled
	// books: <nil>
}
