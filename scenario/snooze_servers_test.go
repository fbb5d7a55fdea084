package scenario_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
)

// TestSnooze_OnServers: the broker keeps the job for that long, and counts no attempt.
func TestSnooze_OnServers(t *testing.T) {
	onServers(t, func(r *rig.Rig) {
		const after, times = 300 * time.Millisecond, 3
		var at []time.Time
		r.Publish(1)
		r.Start(r.Handle(func(ctx context.Context, _ string) error {
			job, _ := gentask.FromContext(ctx)
			require.Equal(r, 1, job.Attempt())
			if at = append(at, time.Now()); len(at) <= times {
				return gentask.Snooze(after)
			}
			return nil
		}), gentask.Config{Retry: gentask.Retry{MaxAttempts: 1}})
		r.Finish()
		require.Len(r, at, times+1)
		for i := range times {
			require.GreaterOrEqual(r, at[i+1].Sub(at[i]), after)
		}
	})
}
