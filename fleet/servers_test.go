package fleet_test

import (
	"context"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/internal/chaos"
	"github.com/gentask/gentask/internal/rig/fleetrig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
	"github.com/gentask/gentask/queue/rabbitmq"
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

// TestRabbitMQ: the promises, on a node that is killed. Each node of the fleet has a proxy.
func TestRabbitMQ(t *testing.T) {
	t.Parallel()
	server, err := chaos.StartRabbitMQ(1)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	fleetrig.Promises(t, func(t testing.TB) fleetrig.Fixture {
		connect := func(url string) fleet.Broker {
			b, err := rabbitmq.New(url)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, b.Close()) })
			return alone{b, strings.ToLower(path.Base(t.Name()))}
		}
		return fleetrig.Fixture{
			Connect: func() fleet.Broker { return connect(server.URL(0)) },
			ConnectLine: func() fleetrig.Line {
				proxy, err := chaos.NewProxy(server.URL(0))
				require.NoError(t, err)
				t.Cleanup(proxy.Close)
				return fleetrig.Line{
					Broker: connect(proxy.URL()), Cut: proxy.Refuse, Restore: func() { require.NoError(t, proxy.Accept()) },
				}
			},
			Kill: func() {
				server.Kill(0)
				require.NoError(t, server.Start(0))
			},
			Kills: 1, // a start takes several seconds
		}
	})
}

// alone is a broker with buses and stores that no other test has.
type alone struct {
	*rabbitmq.Broker
	test string
}

// Bus implements fleet.Buses.
func (a alone) Bus(ctx context.Context, name string) (queue.Bus, error) {
	return a.Broker.Bus(ctx, name+"-"+a.test)
}

// Store implements fleet.Stores.
func (a alone) Store(ctx context.Context, name string) (queue.Store, error) {
	return a.Broker.Store(ctx, name+"-"+a.test)
}
