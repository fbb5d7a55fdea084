// Package outbox publishes messages to any broker if, and only if, a transaction of your database
// commits.
//
// A program that commits and then publishes loses the message when it dies in between. One that
// publishes first has phantoms when the transaction is rolled back. With an outbox, the message is
// written to the database in the same transaction:
//
//	box, err := outbox.New(db, outbox.Config{}) // db is made by postgres.New
//	...
//	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
//		if _, err := tx.Exec(ctx, "INSERT INTO orders ..."); err != nil {
//			return err
//		}
//		return box.PublishTx(ctx, tx, "emails", msg)
//	})
//
// On every node a relay publishes what was committed, and removes it when the broker has confirmed
// it:
//
//	err = box.Relay(ctx, map[string]queue.Publisher{"emails": broker.Queue("emails")})
//
// There is no leader. Another node publishes within two seconds what a dead one held.
//
// The outbox is a queue of package postgres for each destination, and the relay a consumer of
// package gentask. It therefore has retries, a breaker, dead letters, events and an orderly drain.
//
//snippets:needs ctx context.Context; db *postgres.Broker; pool *pgxpool.Pool; msg queue.Message
//snippets:needs box *outbox.Outbox; broker *rabbitmq.Broker; err error
package outbox
