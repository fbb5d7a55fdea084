package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/rabbitmq"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryJobIsAcknowledged(t *testing.T) {
	url := brokertest.RabbitMQ(t)
	name := fmt.Sprintf("gentask-example-%x", rand.Uint64()) //nolint:gosec // a name
	broker, err := rabbitmq.New(url)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, broker.Queue(name).Delete(context.Background()))
		require.NoError(t, broker.Close())
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out strings.Builder
	require.NoError(t, run(ctx, []string{"-url", url, "-queue", name, "-jobs", "20"}, &out))
	require.Regexp(t, `(?m)^acked +20$`, out.String())
	require.Regexp(t, `(?m)^supervisor restarts +0$`, out.String())
}

func TestMistakesAreNamed(t *testing.T) {
	var out strings.Builder
	err := run(t.Context(), []string{"-url", "http://127.0.0.1"}, &out)
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, "http")
}
