package postgres_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

// An order and the job that mails its confirmation are written in one transaction: the job exists
// if, and only if, the order does.
func ExampleQueue_PublishTx() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, url())
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	cfg := postgres.Config{Schema: fmt.Sprintf("gentask_example_%d", os.Getpid())}
	if err := postgres.Migrate(ctx, pool, cfg); err != nil { // at deployment
		log.Fatal(err)
	}
	defer func() { _, _ = pool.Exec(ctx, "DROP SCHEMA "+cfg.Schema+" CASCADE") }()
	db, err := postgres.New(pool, cfg)
	if err != nil {
		log.Fatal(err)
	}
	emails := db.Queue("emails")

	order := func(customer string, stock int) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			// ... INSERT INTO orders ...
			if err := emails.PublishTx(ctx, tx, queue.Message{Body: []byte(customer)}); err != nil {
				return err
			}
			if stock == 0 {
				return fmt.Errorf("sold out, no mail for %s", customer) // rolls back
			}
			return nil
		})
	}
	fmt.Println(order("anna", 1))
	fmt.Println(order("bert", 0))
	fmt.Println(order("carl", 7))

	session, err := emails.Open(ctx, queue.Options{Prefetch: 1}) // or gentask.Run, which does the same
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		job, err := session.Receive(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("mail to %s\n", job.Body)
		done := queue.Settlement{Delivery: job, Disposition: queue.Ack}
		if err := session.Settle(ctx, []queue.Settlement{done}); err != nil {
			log.Fatal(err)
		}
	}
	if err := session.Close(ctx); err != nil {
		log.Fatal(err)
	}
	stats, err := emails.Inspect(ctx)
	fmt.Println(stats.Left(), "left", err)
	// Output:
	// <nil>
	// sold out, no mail for bert
	// <nil>
	// mail to anna
	// mail to carl
	// 0 left <nil>
}
