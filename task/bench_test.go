package task

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
)

// BenchmarkSpawn is a task's whole life under an owner actor that keeps 1,000 in flight.
func BenchmarkSpawn(b *testing.B) {
	for name, timeout := range map[string]time.Duration{"plain": 0, "timeout": time.Minute} {
		b.Run(name, func(b *testing.B) { spawn(b, timeout) })
	}
}

func spawn(b *testing.B, timeout time.Duration) {
	b.Helper()
	const inFlight = 1000
	s, sys := startedIn(b, actor.NewSystem(actor.SystemConfig{}), Config{})
	var begun, over atomic.Int64
	begun.Store(inFlight)
	done := make(chan struct{})
	run := func(context.Context) (any, error) { return nil, nil } //nolint:nilnil // there is nothing to do
	spec := Spec{Run: run, Timeout: timeout}
	spec.Owner = actor.SpawnRoot(sys, actor.FromFunc(func(ctx actor.Context) {
		if _, ok := ctx.Message().(*Outcome[any]); !ok {
			return
		}
		if over.Add(1) == int64(b.N)+inFlight {
			close(done)
		}
		if begun.Add(1) <= int64(b.N)+inFlight {
			if _, err := s.Spawn(spec); err != nil {
				panic(err)
			}
		}
	}), "owner")
	b.ReportAllocs()
	b.ResetTimer()
	for range inFlight {
		_, err := s.Spawn(spec)
		require.NoError(b, err)
	}
	<-done
}

// BenchmarkBlocked measures the memory of a task that waits: heap and stack.
func BenchmarkBlocked(b *testing.B) {
	const n = 100_000
	s, sys := startedIn(b, actor.NewSystem(actor.SystemConfig{}), Config{})
	nobody := actor.SpawnRoot(sys, actor.FromFunc(func(actor.Context) {}), "owner")
	for b.Loop() {
		var ready atomic.Int64
		release := make(chan struct{})
		f := func(context.Context) (any, error) { ready.Add(1); <-release; return 1, nil }
		before := inUse()
		for range n {
			_, err := s.Spawn(Spec{Run: f, Owner: nobody, Timeout: time.Hour})
			require.NoError(b, err)
		}
		require.Eventually(b, func() bool { return ready.Load() == n }, time.Minute, time.Millisecond)
		b.ReportMetric(float64(inUse()-before)/n, "B/task")
		close(release)
		require.Eventually(b, func() bool { return s.Stats().Running == 0 }, time.Minute, time.Millisecond)
	}
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

func BenchmarkRun(b *testing.B) {
	s := started(b, Config{})
	b.ReportAllocs()
	for b.Loop() {
		Run(b.Context(), s, 0, value(1))
	}
}

// BenchmarkRunWithContext is a task that uses its context as a call over the network does.
func BenchmarkRunWithContext(b *testing.B) {
	for name, f := range map[string]func(context.Context) (int, error){
		"Done": func(ctx context.Context) (int, error) { _ = ctx.Done(); return 1, ctx.Err() },
		"WithTimeout": func(ctx context.Context) (int, error) {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			_ = ctx.Done()
			return 1, ctx.Err()
		},
	} {
		for parent, ctx := range map[string]context.Context{
			"/background":  context.Background(),
			"/cancellable": b.Context(),
		} {
			b.Run(name+parent, func(b *testing.B) {
				s := started(b, Config{})
				b.ReportAllocs()
				for b.Loop() {
					Run(ctx, s, 0, f)
				}
			})
		}
	}
}

func BenchmarkStack(b *testing.B) {
	s := started(b, Config{})
	for range 1000 {
		_, err := Start(b.Context(), s, untilDone)
		require.NoError(b, err)
	}
	for b.Loop() {
		_, err := s.Stacks(b.Context())
		require.NoError(b, err)
	}
}
