package scenario_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// TestMux_KindsDoNotDisturbEachOther: the death of the supervisor of one kind's workers is none of
// the others' business.
func TestMux_KindsDoNotDisturbEachOther(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes = true
		release, made := make(chan struct{}), 0
		for _, kind := range []string{"handle", "receive"} {
			r.Send(queue.Message{ID: kind, Headers: map[string]string{"kind": kind}})
		}
		c := r.Start(gentask.Mux("kind", map[string]gentask.Behavior{
			"handle": r.Handle(func(context.Context, string) error { <-release; return nil }),
			"receive": gentask.Actor(func(job gentask.ActorJob[[]byte]) *actor.Props {
				if made++; made > 1 {
					return acknowledging(job)
				}
				return actor.FromFunc(func(actor.Context) {})
			}),
		}), gentask.Config{})
		r.Eventually("both run", func() bool { return c.Health().Running == 2 && r.Runs.Now() == 1 })
		r.Kill("workers")
		r.Eventually("one has been given back", func() bool { return r.Memory.Stats().Released == 1 })
		close(release)
		r.Finish()
		require.Equal(r, 1, r.Runs.Total())
		require.Equal(r, 2, r.Memory.Stats().Acked)
		require.Equal(r, 1, eventOf(r, "handle").Attempt)
	})
}
