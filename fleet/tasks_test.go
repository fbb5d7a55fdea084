package fleet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
)

// hang is what the stack of a job shows. It goes on until ctx ends.
func hang(ctx context.Context, deep int) error {
	if deep > 0 {
		return hang(ctx, deep-1)
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// hanging is a behaviour whose jobs have so many frames.
func hanging(deep int) gentask.Behavior {
	return gentask.Handle(func(ctx context.Context, _ []byte) error { return hang(ctx, deep) })
}

// TestTasks_WithStacks: the tasks of all nodes, or of one, the longest first, with what they do.
func TestTasks_WithStacks(t *testing.T) {
	bubble(t, func(w *world) {
		for i := range 3 {
			m := w.add(fleet.Config{Node: fmt.Sprint("n", i)}, hanging(3), gentask.Config{Concurrency: 1, Timeout: -1})
			require.NoError(w, m.consumer.Start())
		}
		for _, id := range []string{"a\x1b[1m", "b", "c"} {
			w.publish(id)
			time.Sleep(time.Second)
		}
		cli := w.observer()
		all, err := cli.Tasks(w.Context(), "", "")
		require.NoError(w, err)
		require.Len(w, all, 3)
		nodes := map[string]bool{}
		for i, s := range all {
			require.Equal(w, []string{"a\x1b[1m", "b", "c"}[i], s.ID)
			require.Equal(w, time.Duration(3-i)*time.Second, s.Age)
			require.Equal(w, 1, s.Attempt)
			require.Equal(w, "emails", s.Queue)
			require.Equal(w, "emails", s.Consumer)
			require.Contains(w, s.Stack, "fleet_test.hang(")
			require.Zero(w, s.StackCut+s.LeftOut)
			require.NotEmpty(w, s.Instance)
			nodes[s.Node] = true
		}
		require.Len(w, nodes, 3)
		one, err := cli.Tasks(w.Context(), all[1].Node, "emails")
		require.NoError(w, err)
		require.Len(w, one, 1)
		require.Equal(w, "b", one[0].ID)
		for _, none := range [][2]string{{"nobody", ""}, {"", "others"}} {
			list, err := cli.Tasks(w.Context(), none[0], none[1])
			require.NoError(w, err)
			require.Empty(w, list)
		}
		require.NoError(w, w.nodes[0].Close())
		_, err = w.nodes[0].Tasks(w.Context(), "", "")
		require.Error(w, err)
	})
}

// TestTasks_OfTheAbandoned: a task that outlives its job is shown.
func TestTasks_OfTheAbandoned(t *testing.T) {
	bubble(t, func(w *world) {
		over := make(chan struct{})
		m := w.add(fleet.Config{}, gentask.Handle(func(context.Context, []byte) error { <-over; return nil }),
			gentask.Config{Timeout: time.Second, Grace: time.Second, Retry: gentask.Retry{MaxAttempts: 1}})
		require.NoError(w, m.consumer.Start())
		w.publish("1")
		time.Sleep(5 * time.Second)
		all, err := m.Tasks(w.Context(), "", "")
		require.NoError(w, err)
		require.Len(w, all, 1)
		require.True(w, all[0].Abandoned)
		require.Equal(w, "1", all[0].ID)
		close(over)
	})
}

// TestTasks_OnceASecond: however many ask, and for however many queues, a node looks once a second.
func TestTasks_OnceASecond(t *testing.T) {
	bubble(t, func(w *world) {
		m := w.add(fleet.Config{}, hanging(0), gentask.Config{Timeout: -1})
		require.NoError(w, m.consumer.Start())
		w.publish("1")
		time.Sleep(time.Second)
		cli := w.observer()
		var mu sync.Mutex
		taken, asked := map[time.Time]bool{}, 0
		var askers sync.WaitGroup
		for i := range 10 {
			askers.Go(func() {
				time.Sleep(time.Duration(i) * 70 * time.Millisecond)
				for begun := time.Now(); time.Since(begun) < 5*time.Second; {
					all, err := cli.Tasks(w.Context(), "", []string{"", "emails"}[i%2])
					mu.Lock()
					if err == nil && len(all) == 1 {
						taken[all[0].At] = true
						asked++
					}
					mu.Unlock()
				}
			})
		}
		askers.Wait()
		require.Greater(w, asked, 60)
		require.LessOrEqual(w, len(taken), 7)
		require.GreaterOrEqual(w, len(taken), 5)
	})
}

// TestTasks_Fit: an answer fits every bus. Stacks are cut first, then tasks are left out, and both
// are counted.
func TestTasks_Fit(t *testing.T) {
	for jobs, want := range map[int]struct{ least, leftOut int }{5: {5, 0}, 60: {30, 0}, 250: {30, 150}} {
		t.Run(fmt.Sprint(jobs), func(t *testing.T) {
			bubble(t, func(w *world) {
				m := w.add(fleet.Config{}, hanging(200), gentask.Config{Concurrency: jobs, Timeout: -1})
				require.NoError(w, m.consumer.Start())
				for i := range jobs {
					w.publish(fmt.Sprintf("%03d%s", i, strings.Repeat("x", 300)))
				}
				time.Sleep(time.Second)
				all, err := w.observer().Tasks(w.Context(), "", "")
				require.NoError(w, err)
				require.GreaterOrEqual(w, len(all), want.least)
				require.Equal(w, jobs, len(all)+all[len(all)-1].LeftOut)
				require.GreaterOrEqual(w, all[len(all)-1].LeftOut, want.leftOut)
				for i, s := range all {
					require.True(w, jobs == 5 || s.StackCut > 0)
					require.GreaterOrEqual(w, len(s.Stack), 1<<10-3)
					require.Contains(w, s.Stack, "fleet_test.hang(", "the innermost calls are kept")
					require.Len(w, s.ID, 200)
					require.True(w, i == len(all)-1 || s.LeftOut == 0)
				}
				body, err := json.Marshal(all)
				require.NoError(w, err)
				require.Less(w, len(body), 80<<10, "with the nodes' names, which each answer has once")
			})
		})
	}
}
