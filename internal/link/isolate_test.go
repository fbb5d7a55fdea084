package link_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// TestIsolate: suspects are moved, counted and taken, and a session that can't take one is broken.
func TestIsolate(t *testing.T) {
	inBubble(t, func(r *rig) {
		q := memory.New(memory.Config{Isolates: true})
		defer q.Close()
		r.cfg.Source = q
		r.start()
		next[*opened](r)
		require.NoError(r, q.Publish(r.Context(), queue.Message{ID: "a"}))
		require.True(r, r.link.Isolates())
		d := next[*delivered](r).Delivery
		r.link.Isolate([]*queue.Delivery{d}, []queue.Settlement{{Delivery: d, Disposition: queue.Release}})
		moved := next[*link.Isolated[*queue.Delivery]](r)
		require.False(r, moved.Over)
		require.Empty(r, moved.Failed)
		require.Equal(r, []*queue.Delivery{d}, moved.Entries)
		r.link.CountIsolated()
		require.Equal(r, 1, next[*link.IsolatedCount[*queue.Delivery]](r).Waiting)
		r.link.CancelIntake()
		next[*drained](r)
		r.link.TakeIsolated()
		sent := r.take()
		require.Len(r, sent, 2)
		require.True(r, sent[0].(*delivered).Delivery.Isolated)
		require.True(r, sent[1].(*link.IsolatedTaken[*queue.Delivery]).Found)
		r.link.TakeIsolated()
		require.False(r, next[*link.IsolatedTaken[*queue.Delivery]](r).Found)
		q.LoseSessions()
		r.link.TakeIsolated()
		require.ErrorIs(r, next[*broken](r).Err, queue.ErrSessionLost)
	})
	withSession(t, func(r *rig) { require.False(r, r.link.Isolates()) })
}
