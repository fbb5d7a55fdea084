package outbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/queue/postgres"
	"github.com/gentask/gentask/queue/postgres/outbox"
)

const patience = time.Minute

// destination is a publisher that records what arrives, and can fail in every way.
type destination struct {
	fail func(n int, m queue.Message) (lost bool, err error) // lost: it arrives all the same

	mu      sync.Mutex
	calls   int
	arrived []queue.Message
}

func (d *destination) Publish(_ context.Context, msgs ...queue.Message) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range msgs {
		d.calls++
		lost, err := true, error(nil)
		if d.fail != nil {
			lost, err = d.fail(d.calls, m)
		}
		if err == nil || lost {
			d.arrived = append(d.arrived, m)
		}
		if err != nil {
			return &queue.PublishError{Failed: []queue.PublishFailure{{ID: m.ID, Err: err}}}
		}
	}
	return nil
}

func (d *destination) ids() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	ids := make([]string, len(d.arrived))
	for i, m := range d.arrived {
		ids[i] = m.ID
	}
	return ids
}

// relay runs a relay until the test ends, or stop is called.
func relay(t *testing.T, o *outbox.Outbox, publishers map[string]queue.Publisher) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.Relay(ctx, publishers) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-done)
		})
	}
	t.Cleanup(stop)
	return stop
}

// newOutbox returns an outbox in a schema of its own.
func newOutbox(t *testing.T, cfg outbox.Config) (*outbox.Outbox, *postgres.Broker) {
	t.Helper()
	db := newBroker(t)
	o, err := outbox.New(db, cfg)
	require.NoError(t, err)
	return o, db
}

// put writes messages in a transaction, which commits if commit is true.
func put(t testing.TB, o *outbox.Outbox, to string, commit bool, msgs ...queue.Message) {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	require.NoError(t, o.PublishTx(t.Context(), tx, to, msgs...))
	if commit {
		require.NoError(t, tx.Commit(t.Context()))
	}
}

// TestWhatCommitsIsPublished: all messages of the transactions that commit arrive, and none of the
// others. Three nodes relay.
func TestWhatCommitsIsPublished(t *testing.T) {
	o, _ := newOutbox(t, outbox.Config{})
	to := &destination{}
	for range 3 {
		relay(t, o, map[string]queue.Publisher{"emails": to})
	}
	var want []string
	for i := range 200 {
		commit := i%2 == 0
		msgs := []queue.Message{{ID: fmt.Sprint(i, "a")}, {ID: fmt.Sprint(i, "b")}}
		put(t, o, "emails", commit, msgs...)
		if commit {
			want = append(want, msgs[0].ID, msgs[1].ID)
		}
	}
	require.Eventually(t, func() bool { return len(to.ids()) >= len(want) }, patience, 10*time.Millisecond)
	require.ElementsMatch(t, want, to.ids())
	require.Eventually(t, func() bool {
		stats, err := o.Queue("emails").Inspect(t.Context())
		return err == nil && stats.Ready+stats.Held+stats.Delayed+stats.DeadLettered == 0
	}, patience, 10*time.Millisecond, "published messages are removed")
}

// TestMessageArrivesAsItWas: everything of a message is the destination's, and nothing of the
// outbox.
func TestMessageArrivesAsItWas(t *testing.T) {
	o, _ := newOutbox(t, outbox.Config{Key: gentask.KeyHeader("customer")})
	to := &destination{fail: func(n int, _ queue.Message) (bool, error) {
		if n == 1 {
			return false, errors.New("not now")
		}
		return false, nil
	}}
	relay(t, o, map[string]queue.Publisher{"orders": to})
	sent := queue.Message{
		ID: "id", Body: []byte{0, 0xff, '{'}, ContentType: "application/x-thing", Priority: 7,
		Headers:    map[string]string{"customer": "7", queue.HeaderKind: "order"},
		Time:       time.Date(2020, 2, 3, 4, 5, 6, 789_000, time.UTC),
		Properties: &queue.Properties{CorrelationID: "c", ReplyTo: "r", Expiration: time.Minute},
	}
	put(t, o, "orders", true, sent)
	require.Eventually(t, func() bool { return len(to.ids()) == 1 }, patience, 10*time.Millisecond)
	got := to.arrived[0]
	require.True(t, sent.Time.Equal(got.Time), "%v", got.Time)
	sent.Time, got.Time = time.Time{}, time.Time{}
	delete(got.Headers, postgres.HeaderGroup)
	require.Equal(t, sent, got)
}

// TestNotBefore: a delayed message waits in the outbox.
func TestNotBefore(t *testing.T) {
	o, _ := newOutbox(t, outbox.Config{})
	to := &destination{}
	relay(t, o, map[string]queue.Publisher{"emails": to})
	due := time.Now().Add(time.Second)
	put(t, o, "emails", true, queue.Message{ID: "late", NotBefore: due}, queue.Message{ID: "now"})
	require.Eventually(t, func() bool { return len(to.ids()) == 2 }, patience, time.Millisecond)
	require.False(t, brokertest.Early(due))
	require.Equal(t, []string{"now", "late"}, to.ids())
	require.True(t, to.arrived[1].NotBefore.IsZero())
}

// TestOrderOfAKey: the messages of a key arrive in the order of their transactions, with
// repetitions of the first that is not confirmed, while publishing fails at random and relays come
// and go.
func TestOrderOfAKey(t *testing.T) {
	const keys, each = 5, 60
	o, _ := newOutbox(t, outbox.Config{Key: gentask.KeyHeader("key"), Concurrency: 8})
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(1, 2))
	to := &destination{fail: func(int, queue.Message) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		if rng.IntN(20) > 0 {
			return false, nil
		}
		return rng.IntN(2) == 0, errors.New("lost")
	}}
	publishers := map[string]queue.Publisher{"emails": to}
	relay(t, o, publishers)
	stop := relay(t, o, publishers)
	for i := range each {
		for k := range keys {
			put(t, o, "emails", true, queue.Message{
				ID: fmt.Sprintf("%d-%03d", k, i), Headers: map[string]string{"key": fmt.Sprint(k)},
			})
		}
		if i%20 == 10 {
			stop()
			stop = relay(t, o, publishers)
		}
	}
	require.Eventually(t, func() bool {
		seen := map[string]bool{}
		for _, id := range to.ids() {
			seen[id] = true
		}
		return len(seen) == keys*each
	}, patience, 10*time.Millisecond)
	last := map[byte]string{}
	for _, id := range to.ids() {
		require.GreaterOrEqual(t, id, last[id[0]], "the order of a key")
		last[id[0]] = id
	}
}

// TestRepetitionsAreDropped: where the confirm is lost, the destination drops the second one by the
// unique key, if it can.
func TestRepetitionsAreDropped(t *testing.T) {
	o, _ := newOutbox(t, outbox.Config{})
	q := memory.New(memory.Config{})
	relay(t, o, map[string]queue.Publisher{"emails": &forgetful{Queue: q, once: map[string]bool{}}})
	for i := range 20 {
		m := queue.Message{ID: "the same for all"}
		if i%2 == 0 {
			m.UniqueKey = fmt.Sprint(i)
		}
		put(t, o, "emails", true, m)
	}
	require.Eventually(t, func() bool {
		stats, err := o.Queue("emails").Inspect(t.Context())
		return err == nil && stats.Ready+stats.Held+stats.Delayed == 0
	}, patience, 10*time.Millisecond)
	n, err := q.Backlog(t.Context())
	require.NoError(t, err)
	require.Equal(t, 20, n)
}

// TestUntilDone: a key is taken in the outbox until its message is published, and then at the
// destination until the job is done. A destination that can't compare it makes a dead letter.
func TestUntilDone(t *testing.T) {
	o, _ := newOutbox(t, outbox.Config{})
	locked := func(id string) queue.Message {
		return queue.Message{ID: id, UniqueKey: "k", UniqueUntil: queue.UntilDone}
	}
	put(t, o, "emails", true, locked("a"))
	put(t, o, "emails", true, locked("while it waits in the outbox"))
	put(t, o, "others", true, locked("refused"))
	q := memory.New(memory.Config{Unique: -1})
	defer q.Close()
	to := &destination{fail: func(_ int, m queue.Message) (bool, error) {
		require.Equal(t, queue.UntilDone, m.UniqueUntil)
		return false, fmt.Errorf("%w: Message.UniqueUntil", queue.ErrUnsupported)
	}}
	relay(t, o, map[string]queue.Publisher{"emails": q, "others": to})
	emptied := func() bool {
		left := 0
		for _, name := range []string{"emails", "others"} {
			stats, err := o.Queue(name).Inspect(t.Context())
			require.NoError(t, err)
			left += stats.Left()
		}
		return left == 0
	}
	require.Eventually(t, emptied, patience, 10*time.Millisecond)
	put(t, o, "emails", true, locked("while it waits at the destination"))
	require.Eventually(t, emptied, patience, 10*time.Millisecond)
	require.Equal(t, 1, q.Stats().Published)
	stats, err := o.Queue("others").Inspect(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, stats.DeadLettered)
	s, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
	require.NoError(t, err)
	d, err := s.Receive(t.Context())
	require.NoError(t, err)
	require.Equal(t, "a", d.ID)
	for name := range d.Headers {
		require.NotContains(t, name, "outbox")
	}
	require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}))
	require.NoError(t, s.Close(t.Context()))
	put(t, o, "emails", true, locked("afterwards"))
	require.Eventually(t, func() bool { return q.Stats().Published == 2 }, patience, 10*time.Millisecond)
}

// forgetful loses the first confirm of each message.
type forgetful struct {
	*memory.Queue
	mu   sync.Mutex
	once map[string]bool
}

func (f *forgetful) Publish(ctx context.Context, msgs ...queue.Message) error {
	if err := f.Queue.Publish(ctx, msgs...); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range msgs {
		if !f.once[m.UniqueKey] {
			f.once[m.UniqueKey] = true
			return errors.New("the confirm is lost")
		}
	}
	return nil
}

// TestRefusedMessages: what the destination refuses for good becomes a dead letter with the reason,
// and costs the others nothing.
func TestRefusedMessages(t *testing.T) {
	o, _ := newOutbox(t, outbox.Config{})
	to := &destination{fail: func(_ int, m queue.Message) (bool, error) {
		if m.ID == "bad" {
			return false, fmt.Errorf("%w: too large", queue.ErrConfig)
		}
		return false, nil
	}}
	relay(t, o, map[string]queue.Publisher{"emails": to})
	put(t, o, "emails", true, queue.Message{ID: "a"}, queue.Message{ID: "bad"}, queue.Message{ID: "b"})
	require.Eventually(t, func() bool {
		stats, err := o.Queue("emails").Inspect(t.Context())
		return err == nil && stats.DeadLettered == 1 && len(to.ids()) == 2
	}, patience, 10*time.Millisecond)
	for letter, err := range o.Queue("emails").Letters().All(t.Context(), queue.LetterFilter{}) {
		require.NoError(t, err)
		require.Equal(t, "bad", letter.ID)
		require.Contains(t, letter.Headers[queue.HeaderReason], "too large")
	}
}

// TestDestinationOutOfOrder: its messages wait, those of another one go on, and all arrive in the
// end.
func TestDestinationOutOfOrder(t *testing.T) {
	o, _ := newOutbox(t, outbox.Config{Concurrency: 4})
	var mu sync.Mutex
	down := true
	broken := &destination{fail: func(int, queue.Message) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		if down {
			return false, queue.ErrUnavailable
		}
		return false, nil
	}}
	whole := &destination{}
	relay(t, o, map[string]queue.Publisher{"broken": broken, "whole": whole})
	const n = 100
	for i := range n {
		put(t, o, "broken", true, queue.Message{ID: fmt.Sprint(i)})
		put(t, o, "whole", true, queue.Message{ID: fmt.Sprint(i)})
	}
	require.Eventually(t, func() bool { return len(whole.ids()) == n }, patience, 10*time.Millisecond)
	require.Empty(t, broken.ids())
	mu.Lock()
	down = false
	mu.Unlock()
	require.Eventually(t, func() bool { return len(broken.ids()) == n }, patience, 10*time.Millisecond)
}

// TestDatabaseSQL: the same through database/sql.
func TestDatabaseSQL(t *testing.T) {
	o, _ := newOutbox(t, outbox.Config{})
	to := &destination{}
	relay(t, o, map[string]queue.Publisher{"emails": to})
	db := stdlib.OpenDBFromPool(pool)
	defer func() { require.NoError(t, db.Close()) }()
	for _, commit := range []bool{false, true} {
		tx, err := db.BeginTx(t.Context(), &sql.TxOptions{})
		require.NoError(t, err)
		require.NoError(t, o.PublishSQL(t.Context(), tx, "emails", queue.Message{ID: fmt.Sprint(commit)}))
		if commit {
			require.NoError(t, tx.Commit())
		} else {
			require.NoError(t, tx.Rollback())
		}
	}
	require.Eventually(t, func() bool { return len(to.ids()) == 1 }, patience, 10*time.Millisecond)
	require.Equal(t, []string{"true"}, to.ids())
}

// TestBadInput: each mistake is an error with what would be right.
func TestBadInput(t *testing.T) {
	_, err := outbox.New(nil, outbox.Config{
		Name: string(make([]byte, 101)), Concurrency: -1, Timeout: -1, Destinations: []string{""},
	})
	require.ErrorIs(t, err, queue.ErrConfig)
	for _, field := range []string{"db", "Name", "Concurrency", "Timeout", "Destinations"} {
		require.ErrorContains(t, err, field)
	}
	_, err = outbox.New(newBroker(t), outbox.Config{Name: "a/b"})
	require.ErrorContains(t, err, "slash")
	open, _ := newOutbox(t, outbox.Config{})
	long := strings.Repeat("x", 151)
	for _, to := range []string{"", long} {
		require.ErrorIs(t, open.Relay(t.Context(), map[string]queue.Publisher{to: &destination{}}), queue.ErrConfig)
		require.ErrorIs(t, open.PublishTx(t.Context(), nil, to, queue.Message{}), queue.ErrConfig)
	}
	_, err = open.Queue(long[1:]).Inspect(t.Context())
	require.NoError(t, err, "the longest name is that of a queue")
	o, _ := newOutbox(t, outbox.Config{Destinations: []string{"emails"}})
	require.ErrorIs(t, o.Relay(t.Context(), nil), queue.ErrConfig)
	require.ErrorIs(t, o.Relay(t.Context(), map[string]queue.Publisher{"emails": nil}), queue.ErrConfig)
	err = o.Relay(t.Context(), map[string]queue.Publisher{"email": &destination{}})
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, `"email"`)
	tx, err := pool.BeginTx(t.Context(), pgx.TxOptions{})
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	require.ErrorIs(t, o.PublishTx(t.Context(), tx, "email", queue.Message{}), queue.ErrConfig)
	require.ErrorIs(t, o.PublishTx(t.Context(), tx, "emails", queue.Message{Priority: 99}), queue.ErrConfig)
	require.NoError(t, o.PublishTx(t.Context(), tx, "emails", queue.Message{}), "the transaction is unharmed")
	require.NoError(t, tx.Commit(t.Context()))
}
