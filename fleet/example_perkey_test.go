package fleet_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// Each account has one booking at a time, on whichever node it runs.
func ExampleJoin_perKey() {
	ctx := context.Background()
	broker, bookings := memory.NewBroker(), memory.New(memory.Config{Name: "bookings"})
	defer bookings.Close()
	var mu sync.Mutex
	running, together := map[string]int{}, 0
	var booked sync.WaitGroup
	book := gentask.Handle(func(ctx context.Context, _ string) error {
		job, _ := gentask.FromContext(ctx)
		account := job.Headers()["account"]
		mu.Lock()
		running[account]++
		together = max(together, running[account])
		mu.Unlock()
		time.Sleep(5 * time.Millisecond)
		mu.Lock()
		running[account]--
		mu.Unlock()
		booked.Done()
		return nil
	})
	for _, name := range []string{"node-1", "node-2"} {
		consumer, err := gentask.New(bookings, book, gentask.Config{
			Concurrency: 4,
			Prefetch:    20, // only held messages can be overtaken
			Policy: gentask.Policy{Fleet: gentask.FleetLimits{
				PerKey: gentask.FleetPerKey{Key: gentask.KeyHeader("account"), Concurrency: 1},
			}},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		node, err := fleet.Join(ctx, broker.Connect(), fleet.Config{Node: name}, consumer)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer node.Close()
		if err := consumer.Start(); err != nil {
			fmt.Println(err)
			return
		}
		defer func() { _, _ = consumer.Stop(ctx) }()
	}
	for i := range 20 {
		booked.Add(1)
		message := queue.Message{Headers: map[string]string{"account": fmt.Sprint(i % 2)}, Body: []byte(`"10 EUR"`)}
		if err := bookings.Publish(ctx, message); err != nil {
			fmt.Println(err)
			return
		}
	}
	booked.Wait()
	fmt.Println("of one account at a time:", together)
	// Output:
	// of one account at a time: 1
}
