package fleet_test

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// A node joins before its consumer starts. A tool, which is an observer, pauses the queue on all
// nodes, and sees what they have made of it.
func ExampleJoin() {
	ctx := context.Background()
	broker := memory.NewBroker() // a program has that of package nats, embedded or postgres
	emails := memory.New(memory.Config{Name: "emails"})
	defer emails.Close()

	consumer, err := gentask.New(emails, gentask.Handle(func(context.Context, string) error { return nil }),
		gentask.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	node, err := fleet.Join(ctx, broker, fleet.Config{Node: "node-1", Version: "1.4.2"}, consumer)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer node.Close()
	if err := consumer.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer consumer.Stop(ctx)

	tool, err := fleet.Join(ctx, broker.Connect(), fleet.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tool.Close()
	command, err := tool.Pause(ctx, "emails", gentask.Author{By: "ana", Reason: "the provider is down"})
	if err != nil {
		fmt.Println(err)
		return
	}
	acks, err := command.Report(ctx)
	for _, a := range acks {
		fmt.Printf("%s pending: %v error: %q\n", a.Node, a.Pending, a.Consumers[0].Error)
	}
	fmt.Println(err)

	nodes, err := tool.Nodes(ctx)
	for _, n := range nodes {
		for _, o := range n.Consumers[0].Overrides {
			fmt.Println(n.Node, n.Version, o.Kind, o.Value, "by", o.By, "because", o.Reason)
		}
	}
	fmt.Println(err)
	// Output:
	// node-1 pending: false error: ""
	// <nil>
	// node-1 1.4.2 paused on by ana because the provider is down
	// <nil>
}

// A job is cancelled wherever it is: here it runs on a node that the tool knows nothing about.
func ExampleNode_Cancel() {
	ctx := context.Background()
	broker, emails := memory.NewBroker(), memory.New(memory.Config{Name: "emails"})
	defer emails.Close()

	began, ended := make(chan struct{}), make(chan error, 1)
	consumer, err := gentask.New(emails, gentask.Handle(func(ctx context.Context, _ string) error {
		close(began)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return ctx.Err()
	}), gentask.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	node, err := fleet.Join(ctx, broker, fleet.Config{}, consumer)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer node.Close()
	_ = consumer.Start()
	defer consumer.Stop(ctx)
	_ = emails.Publish(ctx, queue.Message{ID: "4711", Body: []byte(`"hello"`)})
	<-began

	tool, err := fleet.Join(ctx, broker.Connect(), fleet.Config{Wait: 50 * time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tool.Close()
	command, err := tool.Cancel(ctx, "emails", "4711", gentask.Author{By: "ana", Reason: "sent by mistake"})
	fmt.Println(command.Kind, command.Job, err)
	fmt.Println(<-ended)
	acks, err := command.Report(ctx)
	fmt.Println("jobs cancelled:", acks[0].Consumers[0].Jobs, err)
	// Output:
	// cancelled 4711 <nil>
	// gentask: job cancelled
	// jobs cancelled: 1 <nil>
}

// The buses of one broker, and the stores of another.
func ExampleMix() {
	broker := fleet.Mix(memory.NewBroker(), memory.NewBroker()) // RabbitMQ's buses, PostgreSQL's stores
	nodes, err := fleet.Look(context.Background(), broker, fleet.Config{Wait: time.Millisecond})
	fmt.Println(len(nodes), err)
	// Output: 0 <nil>
}
