package gentask_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gentask/gentask"
)

// A batch is one call for up to three jobs, with an outcome for each of them.
func ExampleBatch() {
	q := outbox("anna", "bert", "cora")
	defer q.Close()
	insert := gentask.Batch(func(_ context.Context, jobs []gentask.Job[Email]) (gentask.Results, error) {
		fmt.Println("insert", len(jobs), "rows")
		results := gentask.AllDone(jobs)
		for _, job := range jobs {
			if job.Payload().To == "bert" {
				results[job.ID()] = gentask.DeadLetter(errors.New("duplicate key"))
			}
		}
		return results, nil
	}, gentask.BatchConfig{Size: 3})
	fmt.Println(consumed(q, insert, gentask.Config{Concurrency: 6}))
	// Unordered output:
	// insert 3 rows
	// anna: ok, ack
	// bert: exit, dead letter: duplicate key
	// cora: ok, ack
	// <nil>
}
