package queuetest

import (
	"context"
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// bench is the state of one case: its queue and its deadline, with the common operations of all
// cases. Each operation fails the test if the contract is broken.
type bench struct {
	t   *testing.T
	ctx context.Context // ends with the case; here, because every move needs it
	Fixture
}

// publish publishes messages with the given ids, the id as the body too.
func (b *bench) publish(ids ...string) {
	b.t.Helper()
	msgs := make([]queue.Message, len(ids))
	for i, id := range ids {
		msgs[i] = queue.Message{ID: id, Body: []byte(id)}
	}
	require.NoError(b.t, b.Publisher.Publish(b.ctx, msgs...), "Publish")
}

// open opens a session, and closes it after the case.
func (b *bench) open(prefetch int) queue.Session {
	b.t.Helper()
	s, err := b.Source.Open(b.ctx, queue.Options{Prefetch: prefetch, Name: "queuetest"})
	require.NoError(b.t, err, "Open")
	b.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), arrival)
		defer cancel()
		_ = s.Close(ctx) // broken sessions are closed too
	})
	return s
}

// receive waits for one delivery.
func (b *bench) receive(s queue.Session) *queue.Delivery {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, arrival)
	defer cancel()
	d, err := s.Receive(ctx)
	require.NoError(b.t, err, "Receive")
	require.NotNil(b.t, d, "Receive returned neither delivery nor error")
	return d
}

// take waits for n deliveries.
func (b *bench) take(s queue.Session, n int) []*queue.Delivery {
	b.t.Helper()
	ds := make([]*queue.Delivery, n)
	for i := range ds {
		ds[i] = b.receive(s)
	}
	return ds
}

// silent requires that nothing arrives for a while.
func (b *bench) silent(s queue.Session) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, silence)
	defer cancel()
	d, err := s.Receive(ctx)
	require.Nil(b.t, d, "Receive handed out a delivery that must not come")
	require.ErrorIs(b.t, err, context.DeadlineExceeded)
}

// settle applies one disposition to deliveries of s, in one batch.
func (b *bench) settle(s queue.Session, disposition queue.Disposition, ds ...*queue.Delivery) {
	b.t.Helper()
	require.NoError(b.t, s.Settle(b.ctx, batchOf(disposition, ds...)), "Settle: %v of %d", disposition, len(ds))
}

// requeue gives d back with a delay.
func (b *bench) requeue(s queue.Session, d *queue.Delivery, after time.Duration) {
	b.t.Helper()
	batch := []queue.Settlement{{Delivery: d, Disposition: queue.Requeue, After: after, Reason: "again"}}
	require.NoError(b.t, s.Settle(b.ctx, batch), "Settle: requeue after %v", after)
}

// close closes s, which must succeed.
func (b *bench) close(s queue.Session) {
	b.t.Helper()
	require.NoError(b.t, s.Close(b.ctx), "Close")
}

// cut breaks every session, and returns when s reports it.
func (b *bench) cut(s queue.Session) {
	b.t.Helper()
	b.Break()
	b.ends(s, queue.ErrSessionLost)
}

// ends receives until s reports that it is over, with an error that must wrap want. Deliveries that
// are handed out before stay unsettled.
func (b *bench) ends(s queue.Session, want error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, arrival)
	defer cancel()
	for {
		if _, err := s.Receive(ctx); err != nil {
			require.ErrorIs(b.t, err, want)
			return
		}
	}
}

// empty requires that nothing is left in the queue for a new session. All older ones must be over,
// or hold nothing.
func (b *bench) empty() {
	b.t.Helper()
	s := b.open(1)
	b.silent(s)
	b.close(s)
}
