package gentask_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// A queue holds messages of several kinds, each with its own behaviour and its own type.
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
			// Without AnyKind it is left to other nodes.
			return gentask.DeadLetter(errors.New("nobody here can do this"))
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

// Publishers and consumers share the kinds of a queue: their names, and the types of their
// payloads.
func ExampleNewKind() {
	emails, sizes := gentask.NewKind[Email]("email"), gentask.NewKind[int]("resize")

	q := memory.New(memory.Config{})
	defer q.Close()
	ctx := context.Background()
	for range 2 { // the form was sent twice
		sent, err := emails.Publish(ctx, q, Email{To: "anna"}, queue.Message{ID: "1", UniqueKey: "welcome anna"})
		fmt.Println("published, duplicate:", sent.Duplicate, err)
	}
	if _, err := sizes.Publish(ctx, q, 800, queue.Message{ID: "2"}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(consumed(q, gentask.MuxKinds(
		emails.Handle(func(_ context.Context, e Email) error {
			fmt.Println("to", e.To)
			return nil
		}),
		sizes.Handle(func(ctx context.Context, width int) error {
			limit, _ := ctx.Deadline()
			fmt.Println("to", width, "pixels, within", time.Until(limit).Round(time.Minute))
			return errors.New("no such picture")
		}, gentask.KindOptions{Timeout: 10 * time.Minute, MaxAttempts: 1}),
	), gentask.Config{}))
	// Unordered output:
	// published, duplicate: false <nil>
	// published, duplicate: true <nil>
	// to anna
	// 1: ok, ack
	// to 800 pixels, within 10m0s
	// 2: exit, dead letter: gentask: attempt 1 of 1 failed: no such picture
	// <nil>
}
