package gentask_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// TestSubscribe_OfKinds receives these and no others, beside a subscriber of all.
func TestSubscribe_OfKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(memory.Config{})
		defer q.Close()
		require.NoError(t, q.Publish(t.Context(), queue.Message{Body: []byte("1")}))
		c, err := gentask.New(q, gentask.Handle(func(context.Context, int) error { return nil }), gentask.Config{})
		require.NoError(t, err)
		seen := func(kinds ...gentask.EventKind) (*[]gentask.EventKind, func()) {
			all := &[]gentask.EventKind{}
			return all, c.Subscribe(func(ev gentask.Event) { *all = append(*all, ev.Kind) }, kinds...)
		}
		some, _ := seen(gentask.EventDone, gentask.EventDrained)
		none, _ := seen(gentask.EventGaveUp)
		ended, end := seen()
		end()
		end()
		require.NoError(t, c.Start())
		require.NoError(t, q.WaitEmpty(t.Context()))
		synctest.Wait()
		every, _ := seen()
		_, err = c.Stop(t.Context())
		require.NoError(t, err)
		require.Equal(t, []gentask.EventKind{gentask.EventDone, gentask.EventDrained}, *some)
		require.Empty(t, *none)
		require.Empty(t, *ended)
		require.Equal(t, []gentask.EventKind{gentask.EventDraining, gentask.EventDrained}, *every)
	})
}

// TestJob_ForInstrumentation: the queue, the kind that the program has given, the trace, whether
// the job is one of a batch, and how long its settlement took.
func TestJob_ForInstrumentation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type facts struct {
			kind    string
			batched bool
		}
		var mu sync.Mutex
		got := map[string]facts{}
		note := func(ctx context.Context, _ int) error {
			mu.Lock()
			defer mu.Unlock()
			job, _ := gentask.FromContext(ctx)
			got[job.ID()] = facts{job.Kind(), job.Batched()}
			job.SetTrace(strings.Repeat("x", 200))
			return nil
		}
		inBatch := func(ctx context.Context, jobs []gentask.Job[int]) (gentask.Results, error) {
			return gentask.AllDone(jobs), note(ctx, 0)
		}
		q := memory.New(memory.Config{Faults: memory.Faults{SlowSettle: 3 * time.Second}})
		defer q.Close()
		for _, kind := range []string{"a", "b/c", "b/unlisted", "batch", "unlisted"} {
			outer, inner, _ := strings.Cut(kind, "/")
			require.NoError(t, q.Publish(t.Context(), queue.Message{
				ID: kind, Body: []byte("1"), Headers: map[string]string{"kind": outer, "inner": inner},
			}))
		}
		ends := map[string]gentask.Event{}
		one := gentask.Handle(note)
		c, err := gentask.New(q, gentask.Mux("kind", map[string]gentask.Behavior{
			"a": one, gentask.AnyKind: one, "batch": gentask.Batch(inBatch, gentask.BatchConfig{Wait: time.Millisecond}),
			"b": gentask.Mux("inner", map[string]gentask.Behavior{"c": one, gentask.AnyKind: one}),
		}), gentask.Config{OnEvent: func(ev gentask.Event) {
			if ev.Kind == gentask.EventDone {
				ends[ev.ID] = ev
			}
		}})
		require.NoError(t, err)
		require.Same(t, q, c.Source())
		require.NoError(t, c.Start())
		require.NoError(t, q.WaitEmpty(t.Context()))
		_, err = c.Stop(t.Context())
		require.NoError(t, err)
		require.Equal(t, map[string]facts{
			"a": {"a", false}, "b/c": {"c", false}, "b/unlisted": {"b", false}, "batch": {"batch", true}, "unlisted": {"", false},
		}, got)
		for id, ev := range ends {
			require.Equal(t, got[id].kind, ev.JobKind)
			require.Len(t, ev.Trace, 128)
			require.GreaterOrEqual(t, ev.SettleTime, 3*time.Second)
			require.LessOrEqual(t, ev.SettleTime, 7*time.Second)
		}
		require.Len(t, ends, 5)
	})
}
