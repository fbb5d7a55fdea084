package scenario_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/internal/rig/promises"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// TestScenario01_OnServers: at most 1.25 times the floor, on every kind of queue. Other work of
// machine and server can only make a run slower, so the best of some counts; as a rule the first is
// good enough.
func TestScenario01_OnServers(t *testing.T) {
	const tries, bound = 5, promises.UpstreamsFloor * 5 / 4
	for _, b := range append(servers(), onRabbitMQ(rabbitmq.Classic), onEmbedded()) {
		t.Run(b.Name, func(t *testing.T) {
			for i := range tries {
				var took time.Duration
				late := promises.Lateness(func() { b.Run(t, func(r *rig.Rig) { took = promises.UpstreamsOwnTest(r) }) })
				t.Logf("%v, %.2f times the floor, with timers %v late", took.Round(time.Millisecond), took.Seconds()/promises.UpstreamsFloor.Seconds(), late)
				require.GreaterOrEqual(t, took, promises.UpstreamsFloor)
				if took <= bound {
					return
				}
				require.True(t, i < tries-1 || late > time.Millisecond, "%v on a machine that has the time", took)
			}
		})
	}
}
