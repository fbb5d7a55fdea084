package rabbitmq

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRefusing: a channel is stale when a queue has refused it for a while and taken nothing in
// between; other errors say nothing about that.
func TestRefusing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRefusing()
		call := func(name string, err error) bool {
			require.True(t, r.enter())
			return r.leave([]outgoing{{queue: name}}, []error{err})
		}
		require.False(t, call("a", ErrNacked))
		time.Sleep(refusedFor / 2)
		require.False(t, call("a", ErrNacked))
		require.False(t, call("b", nil))
		require.False(t, call("b", ErrNacked))
		time.Sleep(refusedFor / 2)
		require.False(t, call("a", ErrUnconfirmed))
		require.False(t, call("b", ErrNacked), "its own time is not over")
		require.True(t, call("a", errors.Join(errors.New("why"), ErrNacked)))
		require.False(t, call("a", nil))
		require.False(t, call("a", ErrNacked), "it has taken one")
	})
}

// TestRefusing_CallsInFlightEnd: a channel that is retired begins no call, and is idle when the
// last one has ended.
func TestRefusing_CallsInFlightEnd(t *testing.T) {
	r := newRefusing()
	require.True(t, r.enter())
	require.True(t, r.enter())
	r.retire()
	require.False(t, r.enter())
	r.leave(nil, nil)
	select {
	case <-r.idle:
		require.Fail(t, "a call is in flight")
	default:
	}
	r.leave(nil, nil)
	<-r.idle
	require.False(t, r.enter())

	unused := newRefusing()
	unused.retire()
	<-unused.idle
}

// TestRetire: the next call goes over another connection, one in flight ends over the old one, and
// that is closed then. Close also ends one whose calls do not end.
func TestRetire(t *testing.T) {
	q := newQueue(t, Config{})
	p := q.broker.publisher
	require.NoError(t, q.Publish(t.Context(), numbered(1)...))
	old := p.current.Load()
	require.True(t, old.refusing.enter())
	p.retire(old)
	require.NoError(t, q.Publish(t.Context(), numbered(1)...))
	require.NotSame(t, old, p.current.Load())
	p.retire(old)
	require.True(t, p.current.Load().alive(), "it was retired before")
	require.True(t, old.alive())
	require.Equal(t, []error{nil}, old.publish(t.Context(), []outgoing{{queue: q.name}}), "it is in flight")
	old.refusing.leave(nil, nil)
	<-old.dead

	busy := p.current.Load()
	require.True(t, busy.refusing.enter())
	p.retire(busy)
	require.True(t, busy.alive())
	require.NoError(t, q.Delete(t.Context()))
	require.NoError(t, q.broker.Close())
	require.False(t, busy.alive())
}
