package queue_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// A session hands out deliveries and takes one settlement for each. This is what a consumer does
// with every driver.
func Example() {
	ctx := context.Background()
	emails := memory.New(memory.Config{Name: "emails"})
	defer emails.Close()
	if err := emails.Publish(ctx, queue.Message{ID: "1", Body: []byte("hello")}); err != nil {
		log.Fatal(err)
	}

	session, err := emails.Open(ctx, queue.Options{Prefetch: 1})
	if err != nil {
		log.Fatal(err)
	}
	delivery, err := session.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s, attempt %d\n", delivery.ID, delivery.Body, delivery.Attempt)

	done := queue.Settlement{Delivery: delivery, Disposition: queue.Ack}
	fmt.Println("first:", session.Settle(ctx, []queue.Settlement{done}))
	err = session.Settle(ctx, []queue.Settlement{done})
	fmt.Println("second:", err, errors.Is(err, queue.ErrSettled))
	if err := session.Close(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1: hello, attempt 1
	// first: <nil>
	// second: queue: 1 not settled: delivery 1: queue: delivery already settled true
}

// A publisher learns the ids of its messages, and which of them the queue has already.
func ExamplePublishResults() {
	emails := memory.New(memory.Config{Name: "emails"})
	defer emails.Close()
	results, err := queue.PublishResults(context.Background(), emails,
		queue.Message{ID: "1", UniqueKey: "welcome anna"},
		queue.Message{ID: "2", UniqueKey: "welcome bert"},
		queue.Message{ID: "3", UniqueKey: "welcome anna"})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		fmt.Println(r.ID, r.Duplicate)
	}
	// Output:
	// 1 false
	// 2 false
	// 3 true
}

// A customer's synchronisation waits or runs once, however often it is asked for. When it is done,
// it can be asked for again.
func ExampleUntilDone() {
	ctx := context.Background()
	jobs := memory.New(memory.Config{Name: "jobs"}) // or a queue of queue/postgres
	defer jobs.Close()
	ask := func(id string) {
		results, err := queue.PublishResults(ctx, jobs,
			queue.Message{ID: id, UniqueKey: "synchronise anna", UniqueUntil: queue.UntilDone})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(id, "is a duplicate:", results[0].Duplicate)
	}
	ask("1")
	session, err := jobs.Open(ctx, queue.Options{Prefetch: 1})
	if err != nil {
		log.Fatal(err)
	}
	running, err := session.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	ask("2")
	if err := session.Settle(ctx, []queue.Settlement{{Delivery: running, Disposition: queue.Ack}}); err != nil {
		log.Fatal(err)
	}
	ask("3")
	// Output:
	// 1 is a duplicate: false
	// 2 is a duplicate: true
	// 3 is a duplicate: false
}

// A tool counts the messages of any queue whose driver can.
func ExampleInspector() {
	ctx := context.Background()
	emails := memory.New(memory.Config{Name: "emails"})
	defer emails.Close()
	if err := emails.Publish(ctx, queue.Message{}, queue.Message{}, queue.Message{NotBefore: time.Now().Add(time.Hour)}); err != nil {
		log.Fatal(err)
	}
	var source queue.Source = emails
	if inspector, ok := source.(queue.Inspector); ok {
		stats, err := inspector.Inspect(ctx)
		fmt.Printf("%d ready, %d delayed, %d left %v\n", stats.Ready, stats.Delayed, stats.Left(), err)
	}
	// Output:
	// 2 ready, 1 delayed, 3 left <nil>
}

// A bug has killed some messages. The operator looks at why, gives back what the fix cures, ten a
// second, and throws the rest away.
func ExampleLetters() {
	ctx := context.Background()
	emails := memory.New(memory.Config{Name: "emails"})
	defer emails.Close()
	session, err := emails.Open(ctx, queue.Options{Prefetch: 1})
	if err != nil {
		log.Fatal(err)
	}
	for id, reason := range map[string]string{"1": "template: no such field", "2": "json: bad payload"} {
		if err := emails.Publish(ctx, queue.Message{ID: id}); err != nil {
			log.Fatal(err)
		}
		delivery, err := session.Receive(ctx)
		if err != nil {
			log.Fatal(err)
		}
		if err := session.Settle(ctx, []queue.Settlement{{
			Delivery: delivery, Disposition: queue.DeadLetter,
			Reason: reason,
		}}); err != nil {
			log.Fatal(err)
		}
	}

	letters := emails.Letters()
	for letter, err := range letters.All(ctx, queue.LetterFilter{ID: "1"}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s, after attempt %d: %s\n", letter.ID, letter.Attempts, letter.Reason)
	}
	n, err := letters.Redrive(ctx, queue.LetterFilter{Reason: "template:"}, queue.RedriveOptions{PerSecond: 10})
	fmt.Println("given back:", n, err)
	n, err = letters.Purge(ctx, queue.LetterFilter{})
	fmt.Println("thrown away:", n, err)

	delivery, err := session.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	letter := queue.ReadLetter(delivery.Message)
	fmt.Printf("%s, attempt %d, died of: %s\n", delivery.ID, delivery.Attempt, letter.History[0].Reason)
	// Output:
	// 1, after attempt 1: template: no such field
	// given back: 1 <nil>
	// thrown away: 1 <nil>
	// 1, attempt 1, died of: template: no such field
}
