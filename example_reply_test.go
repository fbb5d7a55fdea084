package gentask_test

import (
	"context"
	"fmt"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// A request has an address for the answer and a correlation id, as other programs send it. The
// worker publishes the answer there. It does so before the job is acknowledged, so that a crash in
// between answers twice rather than never: the requester goes by the correlation id.
//
// With RabbitMQ or NATS the publisher would be broker.ReplyTo(request.ReplyTo).
func ExampleJob_Properties() {
	requests, answers := memory.New(memory.Config{}), memory.New(memory.Config{Name: "answers"})
	defer requests.Close()
	defer answers.Close()
	replyTo := func(address string) (queue.Publisher, error) {
		if address != answers.Name() {
			return nil, gentask.DeadLetter(fmt.Errorf("no such address: %q", address))
		}
		return answers, nil
	}
	sum := gentask.NewKind[int]("sum")

	ctx := context.Background()
	if err := requests.Publish(ctx, queue.Message{ID: "a", Body: []byte(`[1, 2, 3]`), Properties: &queue.Properties{
		ReplyTo: "answers", CorrelationID: "request-17",
	}}, queue.Message{ID: "b", Body: []byte(`[4]`)}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(consumed(requests, gentask.Handle(func(ctx context.Context, numbers []int) error {
		total := 0
		for _, n := range numbers {
			total += n
		}
		job, _ := gentask.FromContext(ctx)
		request := job.Properties()
		to, err := replyTo(request.ReplyTo)
		if err != nil {
			return err
		}
		_, err = sum.Publish(ctx, to, total, queue.Message{
			ID:         "answer to " + job.ID(), // the same in every attempt
			Properties: &queue.Properties{CorrelationID: request.CorrelationID},
		})
		return err
	}), gentask.Config{Concurrency: 1}))

	fmt.Println(consumed(answers, gentask.MuxKinds(sum.Handle(func(ctx context.Context, total int) error {
		job, _ := gentask.FromContext(ctx)
		fmt.Println(job.Properties().CorrelationID, "is", total)
		return nil
	})), gentask.Config{}))
	// Unordered output:
	// a: ok, ack
	// b: exit, dead letter: no such address: ""
	// <nil>
	// request-17 is 6
	// answer to a: ok, ack
	// <nil>
}
