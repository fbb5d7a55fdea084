package memory_test

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// inBubble runs a test by the clock of a bubble.
func inBubble(t *testing.T, test func(t *testing.T, b *memory.Broker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, memory.NewBroker()) })
}

func storeOf(t *testing.T, b *memory.Broker) queue.Store {
	t.Helper()
	s, err := b.Store(t.Context(), "fleet")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func busOf(t *testing.T, b *memory.Broker) queue.Bus {
	t.Helper()
	s, err := b.Bus(t.Context(), "fleet")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func put(t *testing.T, s queue.Store, key, value string, keep time.Duration) queue.Revision {
	t.Helper()
	revision, err := s.Put(t.Context(), key, []byte(value), queue.Always, keep)
	require.NoError(t, err)
	return revision
}

// pulled returns a function that returns the next change as text.
func pulled(t *testing.T, s queue.Store, prefix string) func() string {
	t.Helper()
	next, stop := iter.Pull2(s.Watch(t.Context(), prefix))
	t.Cleanup(stop)
	return func() string {
		c, err, ok := next()
		if !ok {
			return "end"
		}
		if err != nil {
			return err.Error()
		}
		switch c.Kind {
		case queue.ChangeSet:
			return c.Record.Key + "=" + string(c.Record.Value)
		case queue.ChangeGone:
			return c.Record.Key + " gone"
		case queue.ChangeCurrent:
			return "current"
		case queue.ChangeReset:
			return "reset"
		case queue.ChangeAlive:
			return "alive"
		}
		return "?"
	}
}

// A record ends by the bubble's clock, and another Put starts its time again.
func TestRecordsExpire(t *testing.T) {
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		s := storeOf(t, b)
		put(t, s, "short", "1", 10*time.Second)
		put(t, s, "renewed", "1", 10*time.Second)
		put(t, s, "kept", "1", 10*time.Second)
		time.Sleep(6 * time.Second)
		put(t, s, "renewed", "2", 10*time.Second)
		put(t, s, "kept", "2", 0)
		time.Sleep(4*time.Second - time.Nanosecond)
		n, err := s.Count(t.Context(), "")
		require.NoError(t, err)
		require.Equal(t, 3, n)
		time.Sleep(2 * time.Nanosecond)
		_, err = s.Get(t.Context(), "short")
		require.ErrorIs(t, err, queue.ErrNoRecord)
		time.Sleep(time.Hour)
		n, err = s.Count(t.Context(), "")
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
}

// A watch is alive every two seconds, silent while its connection is cut, and catches up with what
// happened meanwhile, the newest of each key.
func TestWatchThroughCutAndWipe(t *testing.T) {
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		away := b.Connect()
		s, next := storeOf(t, b), pulled(t, storeOf(t, away), "a")
		put(t, s, "a.1", "one", 3*time.Second)
		put(t, s, "b", "not", 0)
		require.Equal(t, "a.1=one", next())
		require.Equal(t, "current", next())
		start := time.Now()
		require.Equal(t, "alive", next())
		require.Equal(t, 2*time.Second, time.Since(start))
		require.Equal(t, "a.1 gone", next())
		require.Equal(t, 3*time.Second, time.Since(start))

		away.Cut()
		_, err := away.Store(t.Context(), "fleet")
		require.ErrorIs(t, err, queue.ErrUnavailable)
		put(t, s, "a.2", "two", 0)
		put(t, s, "a.2", "three", 0)
		put(t, s, "a.3", "gone soon", time.Second)
		time.AfterFunc(time.Minute, away.Restore)
		require.Equal(t, "a.2=three", next())
		require.Equal(t, time.Minute+3*time.Second, time.Since(start))
		require.Equal(t, "a.3 gone", next())
		require.Equal(t, "alive", next())
		require.Equal(t, time.Minute+3*time.Second, time.Since(start))

		before, err := s.Facts(t.Context())
		require.NoError(t, err)
		time.AfterFunc(time.Second, b.Wipe)
		require.Equal(t, "reset", next())
		require.Equal(t, "current", next())
		after, err := s.Facts(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, before.Incarnation, after.Incarnation)
		put(t, s, "a", "again", 0)
		require.Equal(t, "a=again", next())
	})
}

// A loop that takes longer than two seconds for a change is not told that it is up to date before
// it is.
func TestSlowLoopIsNotAliveTooEarly(t *testing.T) {
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		s := storeOf(t, b)
		next := pulled(t, s, "")
		require.Equal(t, "current", next())
		put(t, s, "a", "1", 0)
		require.Equal(t, "a=1", next())
		time.Sleep(time.Minute)
		put(t, s, "a", "2", 0)
		require.Equal(t, "a=2", next())
		require.Equal(t, "alive", next())
	})
}

func TestLostAnswers(t *testing.T) {
	b := memory.NewBroker()
	s := storeOf(t, b)
	b.LoseAnswers(2)
	_, err := s.Put(t.Context(), "a", []byte("1"), queue.Absent, 0)
	require.ErrorIs(t, err, queue.ErrUncertain)
	record, err := s.Get(t.Context(), "a")
	require.NoError(t, err)
	_, err = s.Put(t.Context(), "a", []byte("2"), queue.Absent, 0)
	require.ErrorIs(t, err, queue.ErrConflict)
	require.ErrorIs(t, s.Delete(t.Context(), "a", record.Revision), queue.ErrUncertain)
	require.ErrorIs(t, s.Delete(t.Context(), "a", record.Revision), queue.ErrConflict)
}

// Every node that can be reached answers once; one that is cut, panics, exits or says nothing
// doesn't, and answers the next question.
func TestBus(t *testing.T) {
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		asker := busOf(t, b)
		cut := b.Connect()
		bad := 0
		for i, f := range []func([]byte) []byte{
			func(q []byte) []byte { return append([]byte("1 "), q...) },
			func([]byte) []byte { time.Sleep(time.Second); return []byte("2") },
			func([]byte) []byte { return nil },
			func([]byte) []byte {
				switch bad++; bad {
				case 1:
					panic("bad")
				case 2:
					runtime.Goexit()
				}
				return []byte("3")
			},
		} {
			at := b
			if i == 0 {
				at = cut
			}
			_, err := busOf(t, at).Answer("who", f)
			require.NoError(t, err)
		}
		ask := func() []string {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			var got []string
			for answer, err := range asker.Ask(ctx, "who", []byte("is there")) {
				require.NoError(t, err)
				got = append(got, string(answer))
			}
			return slices.Sorted(slices.Values(got))
		}
		require.Equal(t, []string{"1 is there", "2"}, ask())
		cut.Cut()
		require.Equal(t, []string{"2"}, ask())
		cut.Restore()
		require.Equal(t, []string{"1 is there", "2", "3"}, ask())
	})
}

// An Ask whose loop ends leaves nothing, and stop waits for a function that runs.
func TestStopWaitsForAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		one := busOf(t, b)
		var running atomic.Bool
		stop, err := one.Answer("who", func([]byte) []byte {
			running.Store(true)
			time.Sleep(time.Minute)
			running.Store(false)
			return []byte("me")
		})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for answer, err := range one.Ask(ctx, "who", nil) {
			t.Error("too late for an answer", answer, err)
		}
		require.True(t, running.Load())
		stop()
		require.False(t, running.Load())
		stop()
		require.NoError(t, one.Close())
		_, err = one.Answer("who", func([]byte) []byte { return nil })
		require.ErrorIs(t, err, queue.ErrClosed)
	})
}

// Two programs share a store: each creates the record only if it is not there.
func ExampleBroker_store() {
	ctx := context.Background()
	broker := memory.NewBroker()
	for _, name := range []string{"first", "second"} {
		s, _ := broker.Connect().Store(ctx, "fleet")
		defer s.Close()
		_, err := s.Put(ctx, "leader", []byte(name), queue.Absent, time.Minute)
		fmt.Println(name, err)
	}
	// Output:
	// first <nil>
	// second queue: the record has changed
}

// One program asks who is there.
func ExampleBroker_bus() {
	broker := memory.NewBroker()
	for _, name := range []string{"node-1", "node-2"} {
		b, _ := broker.Connect().Bus(context.Background(), "fleet")
		defer b.Close()
		_, _ = b.Answer("who", func([]byte) []byte { return []byte(name) })
	}
	asker, _ := broker.Bus(context.Background(), "fleet")
	defer asker.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	for answer, err := range asker.Ask(ctx, "who", nil) {
		fmt.Println(string(answer), err)
	}
	// Unordered output:
	// node-1 <nil>
	// node-2 <nil>
}
