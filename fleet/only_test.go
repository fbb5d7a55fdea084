package fleet_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
)

// TestOnly_MovesWithItsNode: a function runs on one node; on another within two seconds after that
// was cut off, and at once after it has left.
func TestOnly_MovesWithItsNode(t *testing.T) {
	bubble(t, func(w *world) {
		var mu sync.Mutex
		running, epochs := "", []uint64{}
		runs := func() string {
			mu.Lock()
			defer mu.Unlock()
			return running
		}
		var all sync.WaitGroup
		ctx, cancel := context.WithCancel(w.Context())
		nodes := map[string]*member{}
		for _, name := range []string{"a", "b", "c"} {
			m := w.add(fleet.Config{Node: name}, sleeping(0), gentask.Config{})
			nodes[name] = m
			all.Go(func() {
				_ = m.Only(ctx, "report", func(ctx context.Context, epoch uint64) error {
					mu.Lock()
					require.Empty(w, running)
					running, epochs = name, append(epochs, epoch)
					mu.Unlock()
					<-ctx.Done()
					mu.Lock()
					defer mu.Unlock()
					running = ""
					return ctx.Err()
				})
			})
		}
		time.Sleep(time.Second)
		first := runs()
		require.NotEmpty(w, first)
		nodes[first].line.Cut()
		time.Sleep(2 * time.Second)
		second := runs()
		require.NotContains(w, []string{"", first}, second)
		nodes[second].leave(w)
		time.Sleep(100 * time.Millisecond)
		third := runs()
		require.NotContains(w, []string{"", first, second}, third)
		cancel()
		all.Wait()
		require.IsIncreasing(w, epochs)
		require.Len(w, epochs, 3)
	})
}

// TestOnly_AfterClose, and on an observer.
func TestOnly_AfterClose(t *testing.T) {
	bubble(t, func(w *world) {
		tool, err := fleet.Join(w.Context(), w.broker, fleet.Config{})
		require.NoError(w, err)
		ran := false
		require.NoError(w, tool.Only(w.Context(), "x", func(context.Context, uint64) error { ran = true; return nil }))
		require.True(w, ran)
		require.NoError(w, tool.Close())
		require.ErrorIs(w, tool.Only(w.Context(), "x", func(context.Context, uint64) error { return nil }), fleet.ErrLeft)
	})
}
