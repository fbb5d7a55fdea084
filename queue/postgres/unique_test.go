package postgres_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

// locked is a message whose key is taken until it is done.
func locked(id, key string) queue.Message {
	return queue.Message{ID: id, UniqueKey: key, UniqueUntil: queue.UntilDone}
}

// A key belongs to its transaction until that ends: others wait for the end, and a rollback frees
// it.
func TestUntilDone_Tx(t *testing.T) {
	t.Parallel()
	for name, publish := range transactors(t) {
		t.Run(name, func(t *testing.T) {
			q := newBroker(t, url(), postgres.Config{Schema: newSchema(t)}).Queue("q")
			s := open(t, q, 10)
			for _, commit := range []bool{false, true} {
				end, err := publish(t, q, locked("a", "k"), locked("b", "k"), locked("c", "other"))
				require.NoError(t, err)
				waiting := make(chan bool, 1)
				go func() {
					results, err := q.PublishResults(t.Context(), locked("d", "k"))
					waiting <- err == nil && results[0].Duplicate
				}()
				select {
				case <-waiting:
					t.Fatal("another publisher does not wait")
				case <-time.After(100 * time.Millisecond):
				}
				end(commit)
				require.Equal(t, commit, <-waiting)
				want := []string{"d"}
				if commit {
					want = []string{"a", "c"}
				}
				for _, id := range want {
					d := receive(t, s)
					require.Equal(t, id, d.ID)
					ack(t, s, d)
				}
				nothing(t, s)
			}
		})
	}
}

// Thousands of messages with keys keep their order, in any kind of transaction.
func TestUntilDone_Order(t *testing.T) {
	t.Parallel()
	for name, publish := range transactors(t) {
		t.Run(name, func(t *testing.T) {
			q := newBroker(t, url(), postgres.Config{Schema: newSchema(t)}).Queue("q")
			msgs := make([]queue.Message, 2500)
			for i := range msgs {
				msgs[i] = locked(fmt.Sprint(i), fmt.Sprint("k", i))
			}
			end, err := publish(t, q, msgs...)
			require.NoError(t, err)
			end(true)
			require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "last"}))
			require.Equal(t, len(msgs)+1, count(t, q).Ready, "all are due at once")
			s := open(t, q, len(msgs)+1)
			for i := range msgs {
				require.Equal(t, fmt.Sprint(i), receive(t, s).ID)
			}
			require.Equal(t, "last", receive(t, s).ID)
		})
	}
}

// Publishers of the same keys in any order never wait in a circle. Of each key there is never more
// than one message, while others are settled in every way.
func TestUntilDone_Storm(t *testing.T) {
	t.Parallel()
	const keys, publishers, rounds = 12, 4, 60
	q := newBroker(t, url(), postgres.Config{Schema: newSchema(t)}).Queue("q")
	var running [keys]atomic.Int32
	var enqueued, done, wrong atomic.Int32
	var work, publishing sync.WaitGroup
	for range 2 {
		s := open(t, q, keys)
		work.Go(func() {
			for {
				d, err := s.Receive(t.Context())
				if err != nil {
					return
				}
				var k int
				_, _ = fmt.Sscan(d.ID, &k)
				if running[k].Add(1) != 1 {
					wrong.Add(1)
				}
				running[k].Add(-1)
				disposition := []queue.Disposition{queue.Ack, queue.Requeue, queue.Release, queue.Ack}[rand.IntN(4)]
				if disposition == queue.Ack {
					done.Add(1)
				}
				if s.Settle(t.Context(), []queue.Settlement{{Delivery: d, Disposition: disposition}}) != nil {
					wrong.Add(1)
				}
			}
		})
	}
	for range publishers {
		publishing.Go(func() {
			for range rounds {
				var msgs []queue.Message
				for _, k := range rand.Perm(keys)[:keys/2] {
					msgs = append(msgs, locked(fmt.Sprint(k), fmt.Sprint("key ", k)))
				}
				results, err := q.PublishResults(t.Context(), msgs...)
				if err != nil {
					t.Error(err)
				}
				for _, r := range results {
					if !r.Duplicate {
						enqueued.Add(1)
					}
				}
			}
		})
	}
	publishing.Wait()
	require.Eventually(t, func() bool { return count(t, q).Left() == 0 }, patience, 20*time.Millisecond)
	require.Equal(t, enqueued.Load(), done.Load(), "each one that is no duplicate is done")
	require.Zero(t, wrong.Load())
}

// A role that publishes needs a right more, for the two columns only; one that gives letters back
// needs it, too.
func TestUntilDone_Rights(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	role, at := newRole(t, schema, "")
	for _, right := range []string{
		"USAGE ON SCHEMA {}", "SELECT ON {}.version, {}.session", "INSERT ON {}.job",
		"SELECT, INSERT, UPDATE ON {}.unique_key",
	} {
		grant(t, schema, role, right)
	}
	q := newBroker(t, at, postgres.Config{Schema: schema}).Queue("q")
	require.ErrorContains(t, q.Publish(t.Context(), locked("a", "k")), "a right is missing")
	grant(t, schema, role, "SELECT (queue, lock_key) ON {}.job")
	require.NoError(t, q.Publish(t.Context(), locked("a", "k")))

	owner := newBroker(t, url(), postgres.Config{Schema: schema}).Queue("q")
	s := open(t, owner, 1)
	require.NoError(t, settle(t, s, queue.DeadLetter, receive(t, s)))
	grant(t, schema, role, "SELECT, DELETE ON {}.letter")
	n, err := q.Letters().Redrive(t.Context(), queue.LetterFilter{}, queue.RedriveOptions{})
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// Two operators give back the letters of one key: one of them takes it, and the letters of the
// others stay.
func TestUntilDone_Letters(t *testing.T) {
	t.Parallel()
	const letters = 8
	q := newBroker(t, url(), postgres.Config{Schema: newSchema(t)}).Queue("q")
	s := open(t, q, 1)
	for i := range letters {
		require.NoError(t, q.Publish(t.Context(), locked(fmt.Sprint(i), "k")))
		require.NoError(t, settle(t, s, queue.DeadLetter, receive(t, s)))
	}
	var given atomic.Int32
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			n, err := q.Letters().Redrive(t.Context(), queue.LetterFilter{}, queue.RedriveOptions{})
			given.Add(int32(n)) //nolint:gosec // a few
			if !errors.Is(err, queue.ErrKeyTaken) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, given.Load())
	require.Equal(t, letters-1, count(t, q).DeadLettered)
	ack(t, s, receive(t, s))
	nothing(t, s)
}

// A program of version 2 works beside: its dead letters and re-drives lose the key, and nothing
// else.
func TestUntilDone_OlderProgram(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	q := newBroker(t, url(), postgres.Config{Schema: schema}).Queue("q")
	older := func(sql string) { exec(t, replaceAll(sql, schema)) }
	held := func() {
		older(`UPDATE {}.job SET session = 1, attempt = attempt + 1, deliveries = deliveries + 1 WHERE queue = 'q'`)
	}
	older(`INSERT INTO {}.job (queue, priority, not_before, attempt, published, message_id, content_type, headers, body)
		SELECT 'q', 0, clock_timestamp(), 0, now(), 'older', '', NULL, '' FROM generate_series(1, 3)`)
	require.Equal(t, 3, count(t, q).Ready, "its messages have no key")
	older(`DELETE FROM {}.job WHERE queue = 'q'`)

	taken := func(want bool) {
		t.Helper()
		results, err := q.PublishResults(t.Context(), locked("b", "k"))
		require.NoError(t, err)
		require.Equal(t, want, results[0].Duplicate)
	}
	taken(false)
	held()
	taken(true)
	older(`UPDATE {}.job j SET session = NULL, not_before = clock_timestamp(), hold_until = NULL WHERE j.queue = 'q'`)
	taken(true)
	held()
	older(`WITH d AS (DELETE FROM {}.job WHERE queue = 'q'
			RETURNING id, queue, priority, published, message_id, content_type, headers, body)
		INSERT INTO {}.letter (id, queue, priority, published, message_id, content_type, headers, body) SELECT * FROM d`)
	taken(false)
	older(`WITH l AS (DELETE FROM {}.letter WHERE queue = 'q'
			RETURNING id, queue, priority, published, message_id, content_type, body)
		INSERT INTO {}.job (id, queue, priority, published, message_id, content_type, body) SELECT * FROM l`)
	require.Equal(t, 2, count(t, q).Ready)
	taken(true)
	older(`DELETE FROM {}.job WHERE queue = 'q'`)
	taken(false)
}
