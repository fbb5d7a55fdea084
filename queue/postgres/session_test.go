package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

// The jobs of a node whose network takes everything and delivers nothing go to another one within
// its lease and a moment. The dead session reports its loss by itself, and settles nothing.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	const lease = 1500 * time.Millisecond
	schema := newSchema(t)
	p := brokertest.NewProxy(t, url())
	frozen := newBroker(t, p.URL(), postgres.Config{Schema: schema, Lease: lease}).Queue("q")
	q := newBroker(t, url(), postgres.Config{Schema: schema}).Queue("q")
	dead := open(t, frozen, 50)
	for i := range 60 {
		require.NoError(t, q.Publish(t.Context(), queue.Message{ID: fmt.Sprint(i)}))
	}
	var held []*queue.Delivery
	for range 50 {
		held = append(held, receive(t, dead))
	}
	other := open(t, q, 100)
	for range 10 {
		ack(t, other, receive(t, other))
	}
	p.Hold()
	begun := time.Now()
	for range 50 {
		d := receive(t, other)
		require.True(t, d.Redelivered)
		require.Equal(t, 2, d.Attempt)
		ack(t, other, d)
	}
	require.GreaterOrEqual(t, time.Since(begun), lease/2, "the lease held")
	t.Logf("taken over after %v", time.Since(begun))
	require.Error(t, lost(t, dead))
	require.ErrorIs(t, settle(t, dead, queue.Ack, held...), queue.ErrSessionLost)
	require.Equal(t, queue.Stats{Consumers: 1}, count(t, q))
}

// A session whose lease was taken, for example because its machine was suspended, settles nothing:
// not even before it knows.
func TestLeaseTaken(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	q := newBroker(t, url(), postgres.Config{Schema: schema}).Queue("q")
	s := open(t, q, 1)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
	d := receive(t, s)
	exec(t, "UPDATE "+schema+".session SET dead = true")
	err := settle(t, s, queue.Ack, d)
	require.ErrorIs(t, err, queue.ErrSessionLost)
	require.Error(t, lost(t, s))
	require.Equal(t, "a", receive(t, open(t, q, 1)).ID)
}

// A message that was published long before it was committed, and one that was released, are not
// passed over, though others come all the time.
func TestBehindTheMark(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	q, pool := newBroker(t, url(), postgres.Config{Schema: schema}).Queue("q"), newPool(t, url())
	other := open(t, q, 1)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "released"}))
	released := receive(t, other)
	s := open(t, q, 2)
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	require.NoError(t, q.PublishTx(t.Context(), tx, queue.Message{ID: "late"}))
	missing := map[string]bool{"late": true, "released": true}
	for i := 0; len(missing) > 0; i++ {
		require.NoError(t, q.Publish(t.Context(), queue.Message{ID: fmt.Sprint(i)}))
		if i == 20 {
			require.NoError(t, tx.Commit(t.Context()))
			require.NoError(t, settle(t, other, queue.Release, released))
			require.NoError(t, other.Close(t.Context()))
		}
		require.Less(t, i, 20_000, "passed over: %v", missing)
		d := receive(t, s)
		delete(missing, d.ID)
		ack(t, s, d)
	}
}

// Somebody locks the table, as VACUUM FULL does. Settlements wait as long as their context, the
// session survives, and everything goes on afterwards.
func TestLockedTable(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	q := newBroker(t, url(), postgres.Config{Schema: schema, Lease: 2 * time.Second}).Queue("q")
	pool := newPool(t, url())
	s := open(t, q, 3)
	for range 2 {
		require.NoError(t, q.Publish(t.Context(), queue.Message{}))
	}
	first, second := receive(t, s), receive(t, s)
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "LOCK TABLE "+schema+".job IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // more than two leases
	defer cancel()
	err = s.Settle(ctx, []queue.Settlement{{Delivery: first, Disposition: queue.Ack}})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, tx.Rollback(t.Context()))
	err = settle(t, s, queue.Ack, first) // waits for the result of the first
	if err != nil {
		require.ErrorIs(t, err, queue.ErrSettled)
	}
	ack(t, s, second)
	require.Equal(t, queue.Stats{Consumers: 1}, count(t, q))
}

// A statement_timeout fails settlements and claims, and ends no session for a moment of it.
func TestStatementTimeout(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	impatient := newBroker(t, url(), postgres.Config{Schema: schema}, func(c *pgxpool.Config) {
		c.ConnConfig.RuntimeParams["statement_timeout"] = "700ms"
	}).Queue("q")
	s := open(t, impatient, 2)
	q, pool := newBroker(t, url(), postgres.Config{Schema: schema}).Queue("q"), newPool(t, url())
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
	d := receive(t, s)
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "LOCK TABLE "+schema+".job IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)
	err = settle(t, s, queue.Ack, d)
	var failed *queue.SettleError
	require.ErrorAs(t, err, &failed)
	require.ErrorContains(t, err, "57014")
	require.NoError(t, tx.Rollback(t.Context()))
	ack(t, s, d)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "b"}))
	ack(t, s, receive(t, s))
}

// A role whose transactions are serializable by default works as any other.
func TestSerializableRole(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	q := newBroker(t, url(), postgres.Config{Schema: schema}, func(c *pgxpool.Config) {
		c.ConnConfig.RuntimeParams["default_transaction_isolation"] = "serializable"
	}).Queue("q")
	const n = 120
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for i := range n / 3 {
				m := queue.Message{ID: fmt.Sprint(w, "-", i), UniqueKey: fmt.Sprint(i % 7)}
				if i%2 == 0 {
					m.UniqueKey = ""
				}
				if err := q.Publish(t.Context(), m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	left := count(t, q).Ready
	require.GreaterOrEqual(t, left, n/2)
	done := make(chan string, n)
	for range 3 {
		s := open(t, q, 5)
		wg.Go(func() {
			for {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				d, err := s.Receive(ctx)
				cancel()
				if err != nil {
					return
				}
				if err := settle(t, s, queue.Ack, d); err != nil {
					t.Error(err)
				}
				done <- d.ID
			}
		})
	}
	wg.Wait()
	require.Len(t, done, left)
}

// Connections are terminated at random while sessions work. Every message runs, and none is left.
func TestTerminated(t *testing.T) {
	t.Parallel()
	const n, workers = 300, 3
	schema := newSchema(t)
	q := newBroker(t, url(), postgres.Config{Schema: schema}).Queue(schema)
	msgs := make([]queue.Message, n)
	for i := range msgs {
		msgs[i].ID = fmt.Sprint(i)
	}
	require.NoError(t, q.Publish(t.Context(), msgs...))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan string, 100*n)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for ctx.Err() == nil && consume(ctx, q, done) {
			}
		})
	}
	seen := map[string]bool{}
	for kills := 0; len(seen) < n; {
		select {
		case id := <-done:
			seen[id] = true
		case <-ctx.Done():
			t.Fatalf("lost %d of %d", n-len(seen), n)
		}
		if kills < 12 && rand.IntN(15) == 0 {
			kills++
			exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE application_name LIKE 'gentask%' || $1 || '%' ORDER BY random() LIMIT 1`, schema)
		}
	}
	require.Eventually(t, func() bool { return count(t, q).Left() == 0 }, patience, 50*time.Millisecond)
	cancel()
	wg.Wait()
}

// consume works for one session's life. It returns false when nothing is left.
func consume(ctx context.Context, q queue.Source, done chan<- string) bool {
	s, err := q.Open(ctx, queue.Options{Prefetch: 5})
	if err != nil {
		return true
	}
	defer func() { _ = s.Close(context.WithoutCancel(ctx)) }() // it may be lost
	for {
		d, err := s.Receive(ctx)
		if err != nil {
			return ctx.Err() == nil
		}
		done <- d.ID
		_ = s.Settle(ctx, []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}) // the session may be lost
	}
}
