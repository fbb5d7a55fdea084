package task

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
)

func TestSmoke(t *testing.T) {
	sys := actor.NewSystem(actor.SystemConfig{})
	s, err := New(Config{})
	require.NoError(t, err)
	ctx := t.Context()
	require.NoError(t, s.Start(ctx, sys))
	o := Run(ctx, s, 0, func(context.Context) (int, error) { return 1, nil })
	require.Equal(t, OK, o.Status)
	require.Equal(t, 1, o.Value)
	o = Run(ctx, s, 0, func(context.Context) (int, error) { panic("x") })
	require.Equal(t, Exit, o.Status)
	t.Log(o.Reason, actor.Stack(o.Reason))
	o = Run(ctx, s, 0, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
	require.ErrorIs(t, o.Reason, actor.ErrGoexit)
	o = Run(ctx, s, 0, func(ctx context.Context) (int, error) {
		_ = Go(ctx, func(context.Context) error { panic(errors.New("inner")) })
		<-ctx.Done()
		return 0, ctx.Err()
	})
	t.Log(o.Reason, actor.Stack(o.Reason))
	hang := make(chan struct{})
	o = Run(ctx, s, time.Millisecond, func(ctx context.Context) (int, error) { <-hang; return 0, nil })
	require.Equal(t, Timeout, o.Status)
	o = o.Task.Shutdown(Brutal)
	t.Log(o)
	t.Log(s.Stats())
	close(hang)
	require.NoError(t, s.Close(ctx))
}
