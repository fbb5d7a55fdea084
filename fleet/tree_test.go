package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/supervision"
)

// supervise starts a static supervisor of workers, the first of which ends at once the first time.
func (w *world) supervise(sys *actor.System, workers int) *actor.PID {
	w.Helper()
	spec := supervision.Spec{Intensity: supervision.Intensity{Restarts: 3}}
	for i := range workers {
		ended := i > 0
		spec.Children = append(spec.Children, supervision.ChildSpec{
			ID: fmt.Sprintf("worker %03d", i), Restart: supervision.Permanent,
			Props: supervision.Func(func(ctx context.Context) error {
				if !ended {
					ended = true
					return errors.New("\x1bbroken" + strings.Repeat("x", 1000))
				}
				<-ctx.Done()
				return nil
			}),
		})
	}
	props, err := supervision.Static(spec)
	require.NoError(w, err)
	pid := actor.SpawnRoot(sys, props, "tree")
	w.Cleanup(func() {
		_, err := actor.Shutdown(context.Background(), sys, pid)
		require.NoError(w, err)
	})
	return pid
}

// TestTree_Live: the trees that a program has named are shown with their restarts, live, and one
// that is gone has an error.
func TestTree_Live(t *testing.T) {
	bubble(t, func(w *world) {
		sys := actor.NewSystem(actor.SystemConfig{})
		own := w.supervise(sys, 2)
		gone := actor.SpawnRoot(sys, actor.FromFunc(func(actor.Context) {}), "gone")
		_, err := actor.Shutdown(w.Context(), sys, gone)
		require.NoError(w, err)
		trees := map[string]fleet.TreeRoot{"own": {System: sys, PID: own}, "gone": {System: sys, PID: gone}}
		w.add(fleet.Config{Node: "a", Trees: trees}, sleeping(0), gentask.Config{})
		w.add(fleet.Config{Node: "b"}, sleeping(0), gentask.Config{})
		time.Sleep(time.Second)
		all, err := w.observer().Tree(w.Context(), "")
		require.NoError(w, err)
		require.Len(w, all, 2)
		require.Equal(w, "gone", all[0].Name)
		require.NotEmpty(w, all[0].Error)
		require.Nil(w, all[0].Root)
		require.Equal(w, "a", all[1].Node)
		require.NotEmpty(w, all[1].Instance)
		require.Empty(w, all[1].Error)
		root := all[1].Root
		require.Equal(w, "static", root.Type)
		require.Len(w, root.Children, 2)
		require.Equal(w, "Running", root.Children[0].State)
		require.Equal(w, 1, root.Children[0].Restarts)
		require.Contains(w, root.Children[0].Reason, "\x1bbroken")
		require.LessOrEqual(w, len(root.Children[0].Reason), 200)
		none, err := w.nodes[1].Tree(w.Context(), "b")
		require.NoError(w, err)
		require.Empty(w, none)
	})
}

// TestTree_Fits: an answer fits every bus, and counts what it leaves out.
func TestTree_Fits(t *testing.T) {
	bubble(t, func(w *world) {
		sys := actor.NewSystem(actor.SystemConfig{})
		root := fleet.TreeRoot{System: sys, PID: w.supervise(sys, 1500)}
		m := w.add(fleet.Config{Trees: map[string]fleet.TreeRoot{"tree": root}}, sleeping(0), gentask.Config{})
		time.Sleep(time.Second)
		all, err := m.Tree(w.Context(), m.ID())
		require.NoError(w, err)
		require.Len(w, all, 1)
		require.Equal(w, 1500, len(all[0].Root.Children)+all[0].Root.LeftOut)
		require.Greater(w, len(all[0].Root.Children), 200)
		body, err := json.Marshal(all)
		require.NoError(w, err)
		require.Less(w, len(body), 61<<10)
	})
}

// TestTree_Refused: roots that can't be looked at are refused.
func TestTree_Refused(t *testing.T) {
	bubble(t, func(w *world) {
		for want, trees := range map[string]map[string]fleet.TreeRoot{
			`Config.Trees["own"] has no System`: {"own": {}},
			"a name of 101 bytes":               {strings.Repeat("x", 101): {}},
		} {
			_, err := fleet.Join(w.Context(), w.broker, fleet.Config{Trees: trees})
			require.ErrorIs(w, err, queue.ErrConfig)
			require.ErrorContains(w, err, want)
		}
	})
}
