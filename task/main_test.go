package task

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gentask/gentask/actor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// started returns a supervisor that runs until the end of the test.
func started(t testing.TB, cfg Config) *Supervisor {
	t.Helper()
	s, _ := startedIn(t, actor.NewSystem(actor.SystemConfig{}), cfg)
	return s
}

func startedIn(t testing.TB, sys *actor.System, cfg Config) (*Supervisor, *actor.System) {
	t.Helper()
	s, err := New(cfg)
	require.NoError(t, err)
	require.NoError(t, s.Start(t.Context(), sys))
	t.Cleanup(func() { closed(t, s) })
	return s, sys
}

func closed(t testing.TB, s *Supervisor) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, s.Close(ctx))
}

// owner is an actor that passes its messages on.
type owner struct {
	sys   *actor.System
	pid   *actor.PID
	heard chan Outcome[any]
}

func newOwner(t testing.TB, sys *actor.System) *owner {
	t.Helper()
	const enough = 1 << 16 // an actor must not block
	o := &owner{sys: sys, heard: make(chan Outcome[any], enough)}
	o.pid = actor.SpawnRoot(sys, actor.FromFunc(func(ctx actor.Context) {
		if msg, ok := ctx.Message().(*Outcome[any]); ok {
			o.heard <- *msg
		}
	}), "owner")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, err := actor.Shutdown(ctx, sys, o.pid)
		require.NoError(t, err)
	})
	return o
}

// next returns the next outcome, and fails the test if there is none for a minute.
func (o *owner) next(t testing.TB) Outcome[any] {
	t.Helper()
	return o.nextWithin(t, time.Minute+1)
}

func (o *owner) nextWithin(t testing.TB, d time.Duration) Outcome[any] {
	t.Helper()
	select {
	case out := <-o.heard:
		return out
	case <-time.After(d):
		require.FailNow(t, "no outcome")
		return Outcome[any]{}
	}
}

// quiet fails the test if there is an unexpected outcome. All messages must have arrived.
func (o *owner) quiet(t testing.TB) {
	t.Helper()
	require.Empty(t, o.heard)
}

func value[R any](v R) func(context.Context) (R, error) {
	return func(context.Context) (R, error) { return v, nil }
}

// untilDone returns when its context ends, with the cause.
func untilDone(ctx context.Context) (int, error) {
	<-ctx.Done()
	return 0, context.Cause(ctx)
}

// deaf ignores its context until release is closed.
func deaf(release <-chan struct{}) func(context.Context) (int, error) {
	return func(context.Context) (int, error) {
		<-release
		return 7, nil
	}
}

func untyped[R any](f func(context.Context) (R, error)) func(context.Context) (any, error) {
	return func(ctx context.Context) (any, error) { return f(ctx) }
}
