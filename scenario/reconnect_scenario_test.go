package scenario_test

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue/memory"
)

// TestScenario20_BackOff: a broker that refuses is asked again after jittered, exponential waits
// from 100 ms to 30 s. One that can't be reached is asked about twice a second, however long it is
// away.
func TestScenario20_BackOff(t *testing.T) {
	closed := fmt.Errorf("driver: %w", &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED})
	cutOff := &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	for _, tc := range []struct {
		name string
		err  error
		most time.Duration
	}{
		{"refused", memory.ErrRefused, 30 * time.Second},
		{"cut off", cutOff, 30 * time.Second},
		{"unreachable", closed, 800 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			faults := memory.Faults{RefuseOpen: memory.Times(-1), RefuseError: tc.err}
			rig.MemoryWith(memory.Config{Faults: faults}).Run(t, func(r *rig.Rig) {
				const consumers = 20
				for i := range consumers {
					r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{Name: fmt.Sprint("node-", i)})
				}
				time.Sleep(10 * time.Minute)
				r.Memory.SetFaults(memory.Faults{})
				time.Sleep(tc.most + time.Second)
				require.Len(r, r.Events(gentask.EventSessionOpened), consumers, "all are back")

				last, extends, seen := map[string]time.Time{}, map[string]time.Duration{}, map[time.Duration]bool{}
				for _, ev := range r.Events(gentask.EventOpenFailed) {
					if at, again := last[ev.Consumer]; again {
						waited, most := ev.Time.Sub(at), extends[ev.Consumer]
						require.LessOrEqual(r, waited, most)
						require.GreaterOrEqual(r, waited, most/2)
						seen[waited] = true
					}
					last[ev.Consumer] = ev.Time
					extends[ev.Consumer] = min(max(2*extends[ev.Consumer], 100*time.Millisecond), tc.most)
				}
				require.Greater(r, len(seen), 10*consumers, "waits differ")
			})
		})
	}
}
