package postgres_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

var _ gentask.DedupStore = (*postgres.DedupStore)(nil)

// TestFirst_Concurrent: of the transactions that remember a key at the same time, one is the first;
// if it rolls back, another one is.
func TestFirst_Concurrent(t *testing.T) {
	pool := newPool(t, url())
	b, err := postgres.New(pool, postgres.Config{Schema: newSchema(t)})
	require.NoError(t, err)
	for range 10 {
		var wg sync.WaitGroup
		var firsts, rolledBack atomic.Int32
		key := t.Name() + time.Now().String() + "\x00\xff"
		for range 8 {
			wg.Go(func() {
				err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
					first, err := b.DedupTx(tx).First(t.Context(), key)
					switch {
					case err != nil || !first:
						return err
					case rolledBack.Add(1) <= 2:
						return errRollBack
					}
					firsts.Add(1)
					return nil
				})
				if err != nil && !errors.Is(err, errRollBack) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, firsts.Load())
		done, err := b.Dedup().Done(t.Context(), key)
		require.NoError(t, err)
		require.True(t, done)
		require.NoError(t, b.Dedup().Remember(t.Context(), key))
	}
}

var errRollBack = errors.New("roll back")

// TestDone_IsForgotten: a key counts for the time of Config.Done.
func TestDone_IsForgotten(t *testing.T) {
	b := newBroker(t, url(), postgres.Config{Schema: newSchema(t), Done: 50 * time.Millisecond})
	require.NoError(t, b.Dedup().Remember(t.Context(), "key"))
	require.Eventually(t, func() bool {
		done, err := b.Dedup().Done(t.Context(), "key")
		return err == nil && !done
	}, time.Minute, 5*time.Millisecond)
	first, err := b.Dedup().First(t.Context(), "key")
	require.NoError(t, err)
	require.True(t, first)
}

// TestEffectsHappenOnce: jobs that write to the same database have their effect once, though each
// runs several times: it fails after the commit, or its session is lost, and its message comes
// again.
func TestEffectsHappenOnce(t *testing.T) {
	const jobs = 50
	schema := newSchema(t)
	exec(t, "CREATE TABLE "+schema+".effect (id text)")
	p := brokertest.NewProxy(t, url())
	cfg := postgres.Config{Schema: schema, Lease: 500 * time.Millisecond}
	pool := newPool(t, url())
	direct, err := postgres.New(pool, cfg)
	require.NoError(t, err)
	cut := newBroker(t, p.URL(), cfg)

	var runs atomic.Int32
	handle := func(ctx context.Context, _ []byte) error {
		job, _ := gentask.FromContext(ctx)
		n := runs.Add(1)
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			first, err := direct.DedupTx(tx).First(ctx, job.DedupKey())
			if err != nil || !first {
				return err
			}
			_, err = tx.Exec(ctx, "INSERT INTO "+schema+".effect VALUES ($1)", job.ID())
			return err
		})
		switch {
		case n%40 == 20:
			p.Cut()
		case n%3 == 0:
			return errors.New("failed after the commit")
		}
		return err
	}
	c, err := gentask.New(cut.Queue("q"), gentask.Handle(handle), gentask.Config{
		Retry: gentask.Retry{Backoff: gentask.Backoff{Base: time.Millisecond, Max: 10 * time.Millisecond}},
	})
	require.NoError(t, err)
	require.NoError(t, c.Start())
	defer func() {
		_, err := c.Stop(context.WithoutCancel(t.Context()))
		require.NoError(t, err)
	}()
	for range jobs {
		require.NoError(t, direct.Queue("q").Publish(t.Context(), queue.Message{}))
	}
	require.Eventually(t, func() bool {
		stats, err := direct.Queue("q").Inspect(t.Context())
		return err == nil && stats.Ready+stats.Delayed+stats.Held == 0
	}, time.Minute, 10*time.Millisecond)
	require.Greater(t, runs.Load(), int32(jobs))
	var effects, distinct int
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*), count(DISTINCT id) FROM "+schema+".effect").
		Scan(&effects, &distinct))
	require.Equal(t, []int{jobs, jobs}, []int{effects, distinct})
}
