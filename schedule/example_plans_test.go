package schedule_test

import (
	"context"
	"fmt"
	"log"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/schedule"
)

// A plan is added while a node runs, and stopped again.
func ExampleOpenPlans() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	reports := memory.New(memory.Config{Name: "reports"}) // or a queue of queue/embedded, nats or postgres
	defer reports.Close()
	store, err := memory.NewBroker().Store(ctx, "plans") // or that of the same broker
	if err != nil {
		log.Fatal(err)
	}
	plans, err := schedule.OpenPlans(store, "reports")
	if err != nil {
		log.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- schedule.Run(ctx, reports, schedule.Config{Stored: plans}) }()

	// Elsewhere: an operator's tool, which has opened the same store.
	if err := plans.Put(ctx, schedule.Plan{
		Name: "daily report", Cron: "* * * * * *", // every second; "30 2 * * *" is 02:30 every day
		Message: queue.Message{Body: []byte("make the report")},
		Missed:  schedule.Latest,
	}); err != nil {
		log.Fatal(err)
	}

	session, _ := reports.Open(ctx, queue.Options{Prefetch: 1})
	job, _ := session.Receive(ctx)
	fmt.Printf("%s\n", job.Body)
	if err := plans.Pause(ctx, "daily report"); err != nil {
		log.Fatal(err)
	}
	all, _ := plans.List(ctx)
	for _, p := range all {
		fmt.Println(p.Name, p.Cron, "paused:", p.Paused, "next:", p.Next.IsZero())
	}
	stop()
	fmt.Println(<-ended)
	// Output:
	// make the report
	// daily report * * * * * * paused: true next: true
	// <nil>
}
