package scenario_test

import (
	"context"
	"crypto/rand"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// TestScenario36_SingleActiveConsumer: two consumers of a queue with a single active consumer. The
// one on standby is quiet for as long as the other works, says why in Health, and takes over when
// the other has gone.
func TestScenario36_SingleActiveConsumer(t *testing.T) {
	at := brokertest.RabbitMQ(t)
	name := "gentask-test-" + rand.Text()[:10]
	brokertest.DeclareRabbitMQ(t, at, name, map[string]any{"x-single-active-consumer": true})
	brokertest.DeclareRabbitMQ(t, at, name+".dead", nil)
	b, err := rabbitmq.New(at, rabbitmq.Config{Passive: true})
	require.NoError(t, err)
	defer b.Close()
	q := b.Queue(name)
	defer func() { require.NoError(t, q.Delete(context.WithoutCancel(t.Context()))) }()

	var mended atomic.Int32
	var ran [2]atomic.Int32
	start := func(i int) *gentask.Consumer {
		c, err := gentask.New(q, gentask.Handle(func(ctx context.Context, _ []byte) error {
			ran[i].Add(1)
			return rig.Pause(ctx, 200*time.Millisecond)
		}), gentask.Config{Concurrency: 1, Prefetch: 1, Logger: silent, OnEvent: func(ev gentask.Event) {
			switch ev.Kind {
			case gentask.EventHealed, gentask.EventSessionLost:
				mended.Add(1)
			}
		}})
		require.NoError(t, err)
		require.NoError(t, c.Start())
		t.Cleanup(func() { _, _ = c.Stop(context.WithoutCancel(t.Context())) })
		require.Eventually(t, func() bool { return c.Health().State == gentask.Consuming }, 10*time.Second, 10*time.Millisecond)
		return c
	}
	first := start(0)
	second := start(1)
	const jobs = 60
	require.NoError(t, q.Publish(t.Context(), make([]queue.Message, jobs)...))
	require.Eventually(t, func() bool { return second.Health().Standby != "" }, 10*time.Second, 10*time.Millisecond)
	require.True(t, second.Health().Healthy())
	before := ran[0].Load()
	require.Eventually(t, func() bool { return ran[0].Load() >= before+30 }, 30*time.Second, 10*time.Millisecond)
	require.NotEmpty(t, second.Health().Standby)
	require.Zero(t, ran[1].Load())
	require.Empty(t, first.Health().Standby)
	_, err = first.Stop(t.Context())
	require.NoError(t, err)
	require.Eventually(t, func() bool { return ran[0].Load()+ran[1].Load() >= jobs }, 30*time.Second, 10*time.Millisecond)
	require.Positive(t, ran[1].Load())
	require.Empty(t, second.Health().Standby)
	require.Zero(t, mended.Load())
	_, err = second.Stop(t.Context())
	require.NoError(t, err)
}
