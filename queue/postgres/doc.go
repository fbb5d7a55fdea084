// Package postgres is the driver for PostgreSQL, 13 or newer. A job can be published in the
// transaction of the rows that it belongs to:
//
//	err := postgres.Migrate(ctx, pool, postgres.Config{})  // at deployment
//	db, err := postgres.New(pool, postgres.Config{})
//	emails := db.Queue("emails")
//	err = emails.PublishTx(ctx, tx, queue.Message{Body: body})
//	err = gentask.Run(ctx, emails, behavior, gentask.Config{})
//
// It delivers at least once, a higher priority before a lower one, and equal ones in the order of
// publishing. A requeue goes to the tail; a release, and what a lost session held, back to its old
// place. Delays and unique keys are as durable as the table.
//
// [Broker.Store] and [Broker.Bus] open what a fleet of nodes stands on.
//
// # Sessions
//
// All queues are in one table of jobs. A session is one row, its lease, which it renews six times
// within [Config.Lease]. It claims as many messages as it has free slots, settles in batches, and
// each statement requires that its lease holds. When a lease has ended, any other session of the
// queue gives the jobs back: there is no leader and no update for each job.
//
// A session has two connections of its own, and one more while it vacuums. It ends if one of them
// breaks, or if the lease can't be renewed in time.
//
// # Latency
//
// A session that finds nothing for 100 ms sleeps until a publisher notifies it. Publishers notify
// only queues that have a sleeping session. Where notifications don't arrive, as through PgBouncer
// in transaction mode, sessions look every 100 ms at least.
//
// A transaction that commits long after its PublishTx is noticed within 250 ms, or ten times as
// long as a look over the waiting jobs takes.
//
//snippets:needs ctx context.Context; pool *pgxpool.Pool; tx pgx.Tx; body []byte; behavior gentask.Behavior
package postgres
