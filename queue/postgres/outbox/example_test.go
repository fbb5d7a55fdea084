package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/queue/postgres"
	"github.com/gentask/gentask/queue/postgres/outbox"
)

// Two transactions write an order and a message about it. One of them is rolled back.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db, done := exampleBroker(ctx)
	defer done()
	box, err := outbox.New(db, outbox.Config{Destinations: []string{"emails"}})
	if err != nil {
		log.Fatal(err)
	}

	for _, id := range []string{"order-1", "order-2"} {
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			// Here your own rows are written.
			if err := box.PublishTx(ctx, tx, "emails", queue.Message{ID: id}); err != nil {
				return err
			}
			if id == "order-1" {
				return errors.New("declined")
			}
			return nil
		})
		fmt.Println(id, err)
	}

	emails := memory.New(memory.Config{}) // or a queue of RabbitMQ, or of JetStream
	relaying, stop := context.WithCancel(ctx)
	ended := make(chan error)
	go func() { ended <- box.Relay(relaying, map[string]queue.Publisher{"emails": emails}) }()

	s, err := emails.Open(ctx, queue.Options{Prefetch: 1})
	if err != nil {
		log.Fatal(err)
	}
	d, err := s.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("published:", d.ID)
	stop()
	fmt.Println(<-ended, s.Close(ctx))
	// Output:
	// order-1 declined
	// order-2 <nil>
	// published: order-2
	// <nil> <nil>
}

// exampleBroker returns a database with the tables of the library, in a schema of its own.
func exampleBroker(ctx context.Context) (db *postgres.Broker, done func()) {
	cfg := postgres.Config{Schema: "gentask_example_outbox"}
	if err := postgres.Migrate(ctx, pool, cfg); err != nil {
		log.Fatal(err)
	}
	db, err := postgres.New(pool, cfg)
	if err != nil {
		log.Fatal(err)
	}
	return db, func() { _, _ = pool.Exec(ctx, "DROP SCHEMA gentask_example_outbox CASCADE") }
}
