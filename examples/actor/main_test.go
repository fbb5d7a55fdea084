package main

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gentask/gentask"
	gactor "github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/gentasktest"
	"github.com/gentask/gentask/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const want = `order of 7, attempt 1: ok
order of 13, attempt 1: exit
order of 500: over the limit of 100
order of 13, attempt 2: ok
`

// TestAnAnswerThatNeverComes costs the order an attempt, and not its slot.
func TestAnAnswerThatNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		system := gactor.NewSystem(gactor.SystemConfig{})
		mute := system.Root.Spawn(actor.PropsFromFunc(func(actor.Context) {}))
		defer system.Root.Stop(mute)
		silent := func(string, ...any) {}
		got := gentasktest.Run(t, gentask.Actor(checkout(mute, silent)), gentasktest.JSON(t, order{Amount: 7}),
			gentask.Config{System: system})
		require.Equal(t, queue.Requeue, got.Disposition)
		require.ErrorIs(t, got.Reason, gentask.ErrWorkerLost)
	})
}

func TestItDoesWhatItSays(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out strings.Builder
	require.NoError(t, run(ctx, &out))
	require.Equal(t, want, out.String())
}
