package task

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
)

// upTo yields the numbers below n, and counts in taken how many.
func upTo(n int, taken *int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			*taken++
			if !yield(i) {
				return
			}
		}
	}
}

func TestStreamIsOrderedAndBounded(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := started(t, Config{})
			var running atomic.Int32
			f := func(_ context.Context, i int) (int, error) {
				require.LessOrEqual(t, running.Add(1), int32(7))
				defer running.Add(-1)
				time.Sleep(rand.N(time.Second))
				return 10 * i, nil
			}
			taken, got := 0, []int(nil)
			for i, o := range Stream(t.Context(), s, upTo(500, &taken), f,
				StreamOptions{Concurrency: 7, Unordered: unordered}) {
				require.Equal(t, OK, o.Status)
				require.Equal(t, 10*i, o.Value)
				got = append(got, i)
				require.LessOrEqual(t, taken-len(got), 7-1, "an item is taken when there is room")
			}
			require.Len(t, got, 500)
			require.Equal(t, !unordered, slices.IsSorted(got))
			slices.Sort(got)
			require.Len(t, slices.Compact(got), 500, "each item has one outcome")
		})
	}
}

func TestStreamTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, Config{})
		release := make(chan struct{})
		fs := []func(context.Context) (int, error){
			func(context.Context) (int, error) { time.Sleep(time.Hour); return 0, nil }, // abandoned
			func(context.Context) (int, error) { time.Sleep(90 * time.Second); return 1, nil },
			untilDone,
			func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() },
			value(4),
			deaf(release),
		}
		call := func(ctx context.Context, f func(context.Context) (int, error)) (int, error) { return f(ctx) }
		opts := StreamOptions{Concurrency: 6, Timeout: time.Minute, Grace: time.Minute}
		var all []Outcome[int]
		begin := time.Now()
		for i, o := range Stream(t.Context(), s, slices.Values(fs), call, opts) {
			require.Len(t, all, i)
			all = append(all, o)
		}
		require.Equal(t, 2*time.Minute, time.Since(begin), "each has its own time")
		require.ErrorIs(t, all[0].Reason, ErrTimeout)
		require.ErrorIs(t, all[0].Reason, ErrAbandoned)
		require.Equal(t, 1, all[1].Value, "a value within the grace is OK")
		require.Equal(t, ErrTimeout, all[2].Reason)
		require.ErrorIs(t, all[3].Reason, ErrTimeout)
		require.ErrorIs(t, all[3].Reason, context.DeadlineExceeded)
		require.Equal(t, 4, all[4].Value)
		require.ErrorIs(t, all[5].Reason, ErrAbandoned)
		require.Equal(t, 2, s.Stats().Abandoned)
		close(release)
		time.Sleep(time.Hour)
		require.Zero(t, s.Stats().Abandoned)
	})
}

func TestStreamEveryWayToDie(t *testing.T) {
	s := started(t, Config{})
	call := func(ctx context.Context, d death) (any, error) { return d.f(ctx) }
	all := deaths()
	for i, o := range Stream(t.Context(), s, slices.Values(all), call, StreamOptions{}) {
		if all[i].f == nil {
			require.Equal(t, Exit, o.Status)
			continue
		}
		all[i].check(t, o)
	}
}

// However the loop is left, the tasks that run are stopped, and the loop ends when they have ended.
func TestStreamLeftEarly(t *testing.T) {
	f := func(ctx context.Context, i int) (int, error) {
		if i == 0 {
			time.Sleep(time.Second) // so that the others run
			return 0, nil
		}
		<-ctx.Done()
		time.Sleep(time.Second)
		return 0, context.Cause(ctx)
	}
	for name, leave := range map[string]func(iter.Seq2[int, Outcome[int]]){
		"break": func(seq iter.Seq2[int, Outcome[int]]) {
			for range seq {
				break
			}
		},
		"panic": func(seq iter.Seq2[int, Outcome[int]]) {
			defer func() { _ = recover() }()
			for range seq {
				panic("in the loop's body")
			}
		},
		"Goexit": func(seq iter.Seq2[int, Outcome[int]]) {
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				for range seq {
					runtime.Goexit()
				}
			}()
			<-gone
		},
		"iter.Pull": func(seq iter.Seq2[int, Outcome[int]]) {
			next, stop := iter.Pull2(seq)
			next()
			stop()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, taken := started(t, Config{}), 0
				begin := time.Now()
				leave(Stream(t.Context(), s, upTo(100, &taken), f, StreamOptions{Concurrency: 5}))
				require.Equal(t, 2*time.Second, time.Since(begin))
				require.Equal(t, 5, taken)
				require.Equal(t, Stats{Started: 5}, s.Stats())
			})
		})
	}
}

func TestStreamLeftEarlyAbandonsWhatDoesNotStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, Config{})
		release := make(chan struct{})
		fs := []func(context.Context) (int, error){
			func(context.Context) (int, error) { time.Sleep(time.Second); return 1, nil }, deaf(release), deaf(release),
		}
		call := func(ctx context.Context, f func(context.Context) (int, error)) (int, error) { return f(ctx) }
		begin := time.Now()
		for range Stream(t.Context(), s, slices.Values(fs), call, StreamOptions{Concurrency: 3, Grace: time.Minute}) {
			break
		}
		require.Equal(t, time.Second+time.Minute, time.Since(begin))
		require.Equal(t, Stats{Abandoned: 2, Started: 3}, s.Stats())
		close(release)
		synctest.Wait()
		require.Zero(t, s.Stats().Abandoned)
	})
}

func TestStreamOfItemsThatPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, Config{})
		items := func(yield func(int) bool) {
			yield(1)
			panic(errFailed)
		}
		f := func(ctx context.Context, _ int) (int, error) { return untilDone(ctx) }
		require.PanicsWithError(t, errFailed.Error(), func() {
			for range Stream(t.Context(), s, items, f, StreamOptions{Concurrency: 5}) {
				require.Fail(t, "nothing ended")
			}
		})
		require.Equal(t, Stats{Started: 1}, s.Stats())
	})
}

func TestStreamEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, taken := started(t, Config{}), 0
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errFailed)
		defer cancel()
		release := make(chan struct{})
		f := func(ctx context.Context, i int) (int, error) {
			if i == 0 {
				return deaf(release)(ctx)
			}
			return untilDone(ctx)
		}
		var reasons []error
		begin := time.Now()
		for _, o := range Stream(ctx, s, upTo(100, &taken), f, StreamOptions{Concurrency: 3, Grace: time.Minute}) {
			reasons = append(reasons, o.Reason)
		}
		require.Equal(t, 2*time.Minute, time.Since(begin))
		require.Equal(t, 3, taken)
		require.Len(t, reasons, 3, "what was taken has an outcome")
		require.ErrorIs(t, reasons[0], ErrAbandoned)
		for _, reason := range reasons {
			require.ErrorIs(t, reason, errFailed)
		}
		for range Stream(ctx, s, upTo(100, &taken), f, StreamOptions{}) {
			require.Fail(t, "the context has ended before")
		}
		require.Equal(t, 3, taken)
		close(release)
	})
}

// The context ends while items is asked for the next.
func TestStreamContextEndsBetweenItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, Config{})
		ctx, cancel := context.WithCancelCause(t.Context())
		items := func(yield func(int) bool) {
			cancel(errFailed)
			require.False(t, yield(1))
		}
		f := func(context.Context, int) (int, error) { panic("called") }
		n := 0
		for _, o := range Stream(ctx, s, items, f, StreamOptions{Concurrency: 2}) {
			require.Equal(t, errFailed, o.Reason)
			n++
		}
		require.Equal(t, 1, n)
	})
}

func TestStreamOnAFullOrClosedSupervisor(t *testing.T) {
	s := started(t, Config{MaxChildren: 1})
	busy, err := Start(t.Context(), s, untilDone)
	require.NoError(t, err)
	f := func(_ context.Context, i int) (int, error) { return i, nil }
	n := 0
	for _, o := range Stream(t.Context(), s, slices.Values([]int{1, 2, 3}), f, StreamOptions{}) {
		require.Equal(t, ErrMaxChildren, o.Reason)
		require.Equal(t, o, o.Task.Shutdown(0), "its handle is safe to use")
		require.Empty(t, o.Task.Stack())
		n++
	}
	busy.Shutdown(0)
	seq := Stream(t.Context(), s, slices.Values([]int{1, 2, 3}), f, StreamOptions{Concurrency: 1})
	for range 2 { // a Stream can be ranged over again
		for i, o := range seq {
			require.Equal(t, i+1, o.Value)
			n++
		}
	}
	closed(t, s)
	for _, o := range seq {
		require.Equal(t, ErrClosed, o.Reason)
		n++
	}
	require.Equal(t, 12, n)
}

func TestStreamWhoseSupervisorCrashes(t *testing.T) {
	s := started(t, Config{Partitions: 1})
	l := s.life.Load()
	f := func(ctx context.Context, i int) (int, error) {
		if i == 50 {
			actor.Kill(l.sys, l.shares[0].part)
		}
		return i, ctx.Err()
	}
	taken, n := 0, 0
	for _, o := range Stream(t.Context(), s, upTo(1000, &taken), f, StreamOptions{Concurrency: 10, Unordered: true}) {
		require.True(t, o.Status == OK || errors.Is(o.Reason, ErrClosed), o.Reason)
		n++
	}
	require.Equal(t, 1000, n)
}
