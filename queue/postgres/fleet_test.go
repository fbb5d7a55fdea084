package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/internal/rig/fleetrig"
	"github.com/gentask/gentask/queue/postgres"
)

// TestFleet: the promises of package fleet, on a server that is killed. Each node has a proxy.
func TestFleet(t *testing.T) {
	t.Parallel()
	// A node has a pool, and connections to listen. Those that were cut linger.
	server, err := brokertest.StartPostgres(brokertest.PostgresConfig{Settings: map[string]string{"max_connections": "400"}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	private := &private{t: t, server: server}
	fleetrig.Promises(t, func(t testing.TB) fleetrig.Fixture {
		cfg := postgres.Config{Schema: private.schema(t)}
		in := func(c *pgxpool.Config) {
			c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
			c.MaxConns = 3
		}
		return fleetrig.Fixture{
			Connect: func() fleet.Broker { return newBroker(t, private.server.URL(), cfg, in) },
			ConnectLine: func() fleetrig.Line {
				p := brokertest.NewProxy(t, private.server.URL())
				return fleetrig.Line{Broker: newBroker(t, p.URL(), cfg, in), Cut: p.Refuse, Restore: p.Open}
			},
			Kill: private.restart,
		}
	})
}
