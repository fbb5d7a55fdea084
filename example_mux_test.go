package gentask_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// One queue for messages of several kinds, each with its own behaviour and its own type.
func ExampleMux() {
	q := memory.New(memory.Config{})
	defer q.Close()
	for id, body := range map[string]string{"email": `{"To":"anna"}`, "resize": `800`, "fax": `?`} {
		if err := q.Publish(context.Background(), queue.Message{ID: id, Body: []byte(body), Headers: map[string]string{"kind": id}}); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(consumed(q, gentask.Mux("kind", map[string]gentask.Behavior{
		"email": gentask.Handle(func(_ context.Context, e Email) error {
			fmt.Println("to", e.To)
			return nil
		}),
		"resize": gentask.Handle(func(_ context.Context, width int) error {
			fmt.Println("to", width, "pixels")
			return nil
		}),
		gentask.AnyKind: gentask.Handle(func(_ context.Context, _ []byte) error {
			return gentask.Permanent(errors.New("nobody here can do this")) // else it is left to other nodes
		}),
	}), gentask.Config{}))
	// Unordered output:
	// to anna
	// email: ok, ack
	// to 800 pixels
	// resize: ok, ack
	// fax: exit, dead letter: nobody here can do this
	// <nil>
}
