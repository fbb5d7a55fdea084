package scenario_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/task"
)

// TestSnooze: the job comes again no earlier than that, and it costs no attempt, whether it is a
// decision or an error.
func TestSnooze(t *testing.T) {
	for name, behavior := range map[string]func(*rig.Rig, func() error) gentask.Behavior{
		"error": func(r *rig.Rig, f func() error) gentask.Behavior {
			return r.Handle(func(context.Context, string) error { return f() })
		},
		"decision": func(r *rig.Rig, f func() error) gentask.Behavior {
			return gentask.Work(&rig.Worker[[]byte, int]{
				OnRun: rig.Track(r.Runs, func(context.Context, []byte) (int, error) { return 0, f() }),
				OnResult: func(_ gentask.Job[[]byte], o task.Outcome[int]) gentask.Decision {
					if o.Reason != nil {
						return gentask.Snooze(time.Hour)
					}
					return gentask.Ack()
				},
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Limit = 24 * time.Hour
				var at []time.Time
				r.Publish(1)
				r.Start(behavior(r, func() error {
					if at = append(at, time.Now()); len(at) < 4 {
						return fmt.Errorf("not yet: %w", gentask.Snooze(time.Hour))
					}
					return nil
				}), gentask.Config{Retry: gentask.Retry{MaxAttempts: 1}})
				r.Finish()
				require.Equal(r, 3, r.Memory.Stats().Released)
				require.Equal(r, 1, r.Memory.Stats().Acked)
				for i := range 3 {
					require.GreaterOrEqual(r, at[i+1].Sub(at[i]), time.Hour)
				}
			})
		})
	}
}
