package nats

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
)

// letterQueue returns a queue, and a session of it, with a letter for each message.
func letterQueue(ctx context.Context, t *testing.T, msgs ...queue.Message) (*Queue, queue.Session) {
	t.Helper()
	b, err := New(brokertest.NATS(t), Config{})
	require.NoError(t, err)
	q := b.Queue("gentask-test-letters-" + rand.Text()[:12])
	t.Cleanup(func() {
		l, err := b.publisher(context.WithoutCancel(ctx))
		require.NoError(t, err)
		for _, name := range []string{q.name, q.name + deadSuffix} {
			require.NoError(t, l.js.DeleteStream(context.WithoutCancel(ctx), name))
		}
		require.NoError(t, b.Close())
	})
	s, err := q.Open(ctx, queue.Options{Prefetch: 10})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.WithoutCancel(ctx))) })
	l, err := b.publisher(ctx)
	require.NoError(t, err)
	require.NoError(t, brokertest.Bury(ctx, l.js, q.name+deadSuffix, msgs))
	return q, s
}

// walkTo returns a walk at the first letter.
func walkTo(ctx context.Context, t *testing.T, q *Queue) *letterWalk {
	t.Helper()
	opened, err := letterBox{q}.OpenLetters(ctx)
	require.NoError(t, err)
	_, err = opened.Next(ctx)
	require.NoError(t, err)
	return opened.(*letterWalk)
}

// A process that dies between the confirm and the removal leaves the letter. Giving it back again
// within the duplicate window stores nothing: the message is there once.
func TestALetterWhoseRemovalIsLostIsGivenBackOnce(t *testing.T) {
	ctx := withTimeout(t)
	q, s := letterQueue(ctx, t, queue.Message{ID: "a"}, queue.Message{ID: "b"})
	require.NoError(t, walkTo(ctx, t, q).publish(ctx, queue.Rewrite{})) // and dies
	n, err := q.Letters().Redrive(ctx, queue.LetterFilter{}, queue.RedriveOptions{})
	require.NoError(t, err)
	require.Equal(t, 2, n)
	for _, want := range []string{"a", "b"} {
		d, err := s.Receive(ctx)
		require.NoError(t, err)
		require.Equal(t, want, d.ID)
	}
	stats, err := q.Inspect(ctx)
	require.NoError(t, err)
	require.Equal(t, queue.Stats{Held: 2, Delayed: queue.CountUnknown, Consumers: queue.CountUnknown}, stats)
}

// A letter that another call took out meanwhile is neither given back nor counted.
func TestALetterThatIsGoneIsNotGivenBack(t *testing.T) {
	ctx := withTimeout(t)
	q, _ := letterQueue(ctx, t, queue.Message{ID: "a"})
	one, two := walkTo(ctx, t, q), walkTo(ctx, t, q)
	removed, err := one.Remove(ctx)
	require.NoError(t, err)
	require.True(t, removed)
	for _, take := range []func() (bool, error){
		func() (bool, error) { return two.Redrive(ctx, queue.Rewrite{}) },
		func() (bool, error) { return two.Remove(ctx) },
	} {
		removed, err := take()
		require.NoError(t, err)
		require.False(t, removed)
	}
	stats, err := q.Inspect(ctx)
	require.NoError(t, err)
	require.Zero(t, stats.Ready+stats.Held+stats.DeadLettered)
}

// To go over 40 MiB of letters takes one at a time.
func TestLettersTakeBoundedMemory(t *testing.T) {
	const letters, size, most = 200, 200 << 10, 15 << 20
	ctx := withTimeout(t)
	msgs := make([]queue.Message, letters)
	body := make([]byte, size)
	for i := range msgs {
		msgs[i] = queue.Message{ID: fmt.Sprint(i), Body: body}
	}
	q, _ := letterQueue(ctx, t, msgs...)
	before, n := heap(), 0
	for _, err := range q.Letters().All(ctx, queue.LetterFilter{}) {
		require.NoError(t, err)
		if n++; n%50 == 0 {
			require.Less(t, heap(), before+most, "after %d letters", n)
		}
	}
	require.Equal(t, letters, n)
}

// heap returns the number of bytes in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func withTimeout(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
