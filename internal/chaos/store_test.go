package chaos

import (
	"context"
	"slices"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
	"github.com/gentask/gentask/queue/queuetest"
)

// TestChaos_JetStreamStore: a store with three replicas keeps its contract on a cluster, also when
// the leader of its stream is killed.
func TestChaos_JetStreamStore(t *testing.T) {
	if !full {
		t.Log("part of make chaos")
		return
	}
	j, err := StartJetStream(3)
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	queuetest.RunStore(t, func(t testing.TB) queuetest.StoreFixture {
		b, err := nats.New(j.URLs(), nats.Config{Replicas: 3})
		require.NoError(t, err)
		t.Cleanup(func() {
			require.NoError(t, b.Close())
			_ = onCluster(t, j, func(ctx context.Context, js jetstream.JetStream) error {
				return js.DeleteStream(ctx, "KV_gentask_fleet")
			})
		})
		return queuetest.StoreFixture{
			Open: func(ctx context.Context) (queue.Store, error) { return b.Store(ctx, "fleet") },
			Kill: func() {
				leader := leaderOf(t, j, "KV_gentask_fleet")
				j.Kill(leader)
				time.Sleep(time.Second)
				require.NoError(t, j.Start(leader))
			},
		}
	})
}

// leaderOf returns the number of the server that leads a stream.
func leaderOf(t testing.TB, j *JetStream, name string) int {
	t.Helper()
	leader := ""
	require.NoError(t, onCluster(t, j, func(ctx context.Context, js jetstream.JetStream) error {
		s, err := js.Stream(ctx, name)
		if err == nil {
			leader = s.CachedInfo().Cluster.Leader
		}
		return err
	}))
	return slices.IndexFunc(j.servers, func(one serverConfig) bool { return one.Name == leader })
}

// onCluster does something with the plain client.
func onCluster(t testing.TB, j *JetStream, do func(context.Context, jetstream.JetStream) error) error {
	t.Helper()
	nc, err := natsgo.Connect(j.URLs())
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return do(ctx, js)
}
