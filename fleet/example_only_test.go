package fleet_test

import (
	"context"
	"fmt"

	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue/memory"
)

// Every node calls Only, and one of them runs the function. The epoch goes along with what the
// function writes.
func ExampleNode_Only() {
	ctx := context.Background()
	broker := memory.NewBroker() // a program has that of package nats, embedded or postgres
	node, err := fleet.Join(ctx, broker, fleet.Config{Node: "node-1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer node.Close()
	var newest uint64 // of the writer: kept with the data
	err = node.Only(ctx, "daily report", func(_ context.Context, epoch uint64) error {
		if epoch < newest {
			return fmt.Errorf("epoch %d is older than %d", epoch, newest)
		}
		newest = epoch
		fmt.Println("one node writes the report")
		return nil
	})
	fmt.Println(err)
	// Output:
	// one node writes the report
	// <nil>
}
