package schedule_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/schedule"
)

// Two nodes run the same plan, and each firing is one message.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	reports := memory.New(memory.Config{Name: "reports"}) // or a queue of queue/embedded or queue/nats
	defer reports.Close()

	plans := []schedule.Plan{{
		Name: "report", Cron: "* * * * * *", Zone: "Europe/Berlin", // every second; "30 2 * * *" is 02:30 every day
		Message: queue.Message{Body: []byte("make the report")},
	}}
	var nodes sync.WaitGroup
	for range 2 {
		nodes.Go(func() {
			if err := schedule.Run(ctx, reports, schedule.Config{Plans: plans}); err != nil {
				fmt.Println(err)
			}
		})
	}

	session, _ := reports.Open(ctx, queue.Options{Prefetch: 10})
	first, _ := session.Receive(ctx)
	second, _ := session.Receive(ctx)
	fmt.Printf("%s\n", first.Body)
	fmt.Println("the next firing is another one:",
		first.Headers[schedule.HeaderPlanned] < second.Headers[schedule.HeaderPlanned])
	stop()
	nodes.Wait()
	// Output:
	// make the report
	// the next firing is another one: true
}
