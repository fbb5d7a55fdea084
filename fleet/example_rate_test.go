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

// The provider takes 40 requests a second, from all nodes together. Whichever node has work starts
// it.
func ExampleJoin_rate() {
	ctx := context.Background()
	broker, emails := memory.NewBroker(), memory.New(memory.Config{Name: "emails"})
	defer emails.Close()
	const jobs = 21
	var sent sync.WaitGroup
	sent.Add(jobs)
	for _, name := range []string{"node-1", "node-2"} {
		consumer, err := gentask.New(emails, gentask.Handle(func(context.Context, string) error {
			sent.Done()
			return nil
		}), gentask.Config{Policy: gentask.Policy{Fleet: gentask.FleetLimits{
			Rate: gentask.Rate{PerSecond: 40, Burst: 1},
		}}})
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
	began := time.Now()
	for range jobs {
		if err := emails.Publish(ctx, queue.Message{Body: []byte(`"hello"`)}); err != nil {
			fmt.Println(err)
			return
		}
	}
	sent.Wait()
	fmt.Println("half a second at least:", time.Since(began) >= (jobs-1)*time.Second/40)
	// Output:
	// half a second at least: true
}
