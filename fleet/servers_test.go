package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/internal/chaos"
	"github.com/gentask/gentask/internal/fleetrig"
	"github.com/gentask/gentask/queue/nats"
)

// TestNATS: the promises, on a server in a process of its own, which is killed. Each node has a
// proxy. Module queue/postgres has the same test.
func TestNATS(t *testing.T) {
	fleetrig.Promises(t, func(t testing.TB) fleetrig.Fixture {
		js, err := chaos.StartJetStream(1)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, js.Close()) })
		connect := func(url string) fleet.Broker {
			b, err := nats.New(url, nats.Config{})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, b.Close()) })
			return b
		}
		return fleetrig.Fixture{
			Connect: func() fleet.Broker { return connect(js.URL(0)) },
			ConnectLine: func() fleetrig.Line {
				proxy, err := chaos.NewProxy(js.URL(0))
				require.NoError(t, err)
				t.Cleanup(proxy.Close)
				return fleetrig.Line{
					Broker: connect(proxy.URL()), Cut: proxy.Refuse, Restore: func() { require.NoError(t, proxy.Accept()) },
				}
			},
			Kill: func() {
				js.Kill(0)
				time.Sleep(200 * time.Millisecond)
				require.NoError(t, js.Start(0))
			},
		}
	})
}
