package task

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/cell"
)

// afterSeconds returns tasks that return their index after so many seconds; a negative number fails
// after that time.
func afterSeconds(t *testing.T, s *Supervisor, seconds ...int) []*Task[int] {
	t.Helper()
	var all []*Task[int]
	for i, n := range seconds {
		task, err := Start(t.Context(), s, func(context.Context) (int, error) {
			time.Sleep(time.Duration(max(n, -n)) * time.Second)
			if n < 0 {
				return 0, fmt.Errorf("%d: %w", i, errFailed)
			}
			return i, nil
		})
		require.NoError(t, err)
		all = append(all, task)
	}
	return all
}

func TestAwaitAll(t *testing.T) {
	for _, c := range []struct {
		name    string
		seconds []int
		want    []int
		failed  int // the index; -1: none
		after   time.Duration
	}{
		{"none", nil, []int{}, -1, 0},
		{"all", []int{3, 1, 2}, []int{0, 1, 2}, -1, 3 * time.Second},
		{"the first that fails", []int{3, -2, -1, 100}, nil, 2, time.Second},
		{"the context ends", []int{1, 100}, nil, -1, 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, begin := started(t, Config{}), time.Now()
				tasks := afterSeconds(t, s, c.seconds...)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				got, err := AwaitAll(ctx, tasks, AllOptions{})
				require.Equal(t, c.after, time.Since(begin))
				require.Equal(t, c.want, got)
				var failure *AwaitError
				switch {
				case c.failed >= 0:
					require.ErrorAs(t, err, &failure)
					require.Equal(t, c.failed, failure.Index)
					require.ErrorIs(t, err, errFailed)
					require.EqualError(t, err, "task 2: 2: failed")
				case c.want == nil:
					require.Equal(t, context.DeadlineExceeded, err)
				default:
					require.NoError(t, err)
				}
				for _, task := range tasks {
					require.NotEqual(t, Timeout, task.Yield(time.Hour).Status, "the late go on")
					require.Nil(t, task.run.watchers)
				}
			})
		})
	}
}

func TestAwaitAllWithAnEndedContextReturnsWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, Config{})
		tasks := afterSeconds(t, s, 0, 1)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := AwaitAll(ended, tasks, AllOptions{})
		require.Equal(t, context.Canceled, err)
		time.Sleep(time.Minute)
		got, err := AwaitAll(ended, tasks, AllOptions{})
		require.NoError(t, err)
		require.Equal(t, []int{0, 1}, got)
	})
}

func TestWhatBecomesOfTheLate(t *testing.T) {
	for _, await := range []bool{false, true} {
		for _, c := range []struct {
			late  Late
			grace time.Duration
			took  time.Duration
			stats Stats
		}{
			{LateGoesOn, 0, 2 * time.Second, Stats{Running: 3, Started: 5}},
			{LateIsIgnored, 0, 2 * time.Second, Stats{Running: 3, Started: 5}},
			{LateIsShutDown, 0, 7 * time.Second, Stats{Abandoned: 2, Started: 5}},
			{LateIsShutDown, Brutal, 2 * time.Second, Stats{Abandoned: 3, Started: 5}},
			{LateIsShutDown, 30 * time.Second, 32 * time.Second, Stats{Abandoned: 1, Started: 5}},
		} {
			t.Run(fmt.Sprint(await, c.late, c.grace), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					t.Cleanup(func() { time.Sleep(time.Hour) })
					s, begin := started(t, Config{}), time.Now()
					tasks := afterSeconds(t, s, 1, 2, 4, 20, 1000)
					if await {
						ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
						defer cancel()
						time.Sleep(2 * time.Second)
						synctest.Wait() // a task that ends at this moment is not late
						_, err := AwaitAll(ctx, tasks, AllOptions{Late: c.late, Grace: c.grace})
						require.Equal(t, context.DeadlineExceeded, err)
					} else {
						all := YieldAll(tasks, time.Minute, AllOptions{Limit: 2, Late: c.late, Grace: c.grace})
						require.Equal(t, []Status{OK, OK}, []Status{all[0].Status, all[1].Status})
						for i, o := range all {
							again := tasks[i].Yield(0)
							again.RunTime = o.RunTime
							require.Equal(t, o, again)
						}
					}
					require.Equal(t, c.took, time.Since(begin))
					synctest.Wait()
					require.Equal(t, c.stats, s.Stats())
					time.Sleep(time.Hour)
					if c.late == LateIsIgnored {
						require.Equal(t, uint64(3), s.Stats().Late)
					}
				})
			})
		}
	}
}

func TestYieldAllKeepsItsLimits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seconds := rapid.SliceOfN(rapid.IntRange(-9, 9), 0, 12).Draw(rt, "seconds")
		limit := rapid.IntRange(-1, 13).Draw(rt, "limit")
		timeout := rapid.IntRange(-1, 10).Draw(rt, "timeout")
		synctest.Test(t, func(t *testing.T) { yieldAll(t, seconds, limit, timeout) })
	})
}

func yieldAll(t *testing.T, seconds []int, limit, timeout int) {
	s, begin := started(t, Config{}), time.Now()
	tasks := afterSeconds(t, s, seconds...)
	synctest.Wait()
	all := YieldAll(tasks, time.Duration(timeout)*time.Second, AllOptions{Limit: limit})
	var times []int
	for _, n := range seconds {
		times = append(times, max(n, -n))
	}
	slices.Sort(times)
	want := 0 // when the last that is waited for ends
	if n := len(times); n > 0 {
		if limit > 0 {
			n = min(n, limit)
		}
		want = times[n-1]
	}
	want = min(want, max(timeout, 0))
	require.Equal(t, time.Duration(want)*time.Second, time.Since(begin))
	for i, n := range seconds {
		switch {
		case max(n, -n) > want:
			require.Equal(t, Timeout, all[i].Status)
		case max(n, -n) == want: // it ends at the same moment
		case n < 0:
			require.ErrorIs(t, all[i].Reason, errFailed)
		default:
			require.Equal(t, i, all[i].Value)
		}
	}
	for _, task := range tasks {
		task.Yield(Forever)
	}
}

func TestStreamItemsNamesWhatHasFailed(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			t.Cleanup(func() { time.Sleep(time.Minute) }) // the abandoned task returns
			s := started(t, Config{})
			f := func(_ context.Context, word string) (int, error) {
				time.Sleep(time.Duration(len(word)) * time.Second)
				if word == "bad" {
					return 0, errors.New("bad word")
				}
				return len(word), nil
			}
			words := []string{"three", "bad", "one", "eleven", "bad", "", "seven"}
			var got []string
			opts := StreamOptions{Concurrency: 3, Unordered: unordered}
			for word, o := range StreamItems(t.Context(), s, slices.Values(words), f, opts) {
				require.Equal(t, word == "bad", o.Status == Exit)
				require.Equal(t, word != "bad", o.Value == len(word))
				got = append(got, word)
			}
			if !unordered {
				require.Equal(t, words, got)
			}
			require.ElementsMatch(t, words, got)
			for word := range StreamItems(t.Context(), s, slices.Values(words), f, opts) {
				if word == "bad" {
					break
				}
			}
			require.Zero(t, s.Stats().Running)
		})
	}
}

func TestRunIsBoundedByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, Config{})
		release := make(chan struct{})
		for _, timeout := range []time.Duration{0, time.Minute, Forever} {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errFailed)
			begin := time.Now()
			o := Run(ctx, s, timeout, deaf(release))
			require.Equal(t, time.Second, time.Since(begin))
			require.Equal(t, Exit, o.Status)
			require.Equal(t, errFailed, o.Reason, "the cause of the context")
			cancel()
			final := o.Task.Yield(time.Minute)
			require.Equal(t, time.Second+defaultGrace, time.Since(begin))
			require.ErrorIs(t, final.Reason, errFailed)
			require.ErrorIs(t, final.Reason, ErrAbandoned)
		}
		close(release)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		o := Run(ctx, s, time.Minute, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			time.Sleep(time.Second)
			return 5, nil
		})
		require.Equal(t, context.DeadlineExceeded, o.Reason)
		o = o.Task.Yield(time.Minute)
		require.Equal(t, OK, o.Status, "a value within the grace can be had")
		require.Equal(t, 5, o.Value)
	})
}

// A hook that panics, exits or blocks harms nothing else, and gets the last number.
func TestScenario39_OnAbandonedMisbehaves(t *testing.T) {
	release := make(chan struct{})
	for name, hook := range map[string]func(){
		"panics": func() { panic("hook") }, "exits": func() { new(testing.T).FailNow() },
		"blocks": func() { <-release },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release = make(chan struct{})
				var heard []int
				s, sys := startedIn(t, actor.NewSystem(actor.SystemConfig{}),
					Config{Partitions: 1, OnAbandoned: func(n int) {
						heard = append(heard, n)
						hook()
					}})
				own := newOwner(t, sys)
				done := make(chan struct{})
				for range 3 {
					task, err := s.Spawn(Spec{Run: untyped(deaf(done)), Owner: own.pid})
					require.NoError(t, err)
					synctest.Wait()
					task.Stop(nil, time.Second)
					require.ErrorIs(t, own.next(t).Reason, ErrAbandoned)
				}
				task, err := s.Spawn(Spec{Run: untyped(untilDone), Owner: own.pid, Timeout: time.Second})
				require.NoError(t, err)
				require.Equal(t, Timeout, own.next(t).Status, "its partition goes on")
				task.Shutdown(0)
				close(release)
				close(done)
				synctest.Wait()
				require.Equal(t, 0, heard[len(heard)-1])
				require.Zero(t, s.Stats().Abandoned)
			})
		})
	}
}

// panickyListener is a listener, and the parent context of its task.
type panickyListener struct {
	context.Context
	got []Status
}

func (p *panickyListener) TaskListener() cell.Listener[*Outcome[any]] { return p }

func (p *panickyListener) TaskOutcome(o *Outcome[any], _ bool) {
	p.got = append(p.got, o.Status)
	panic("listener")
}

func TestScenario39_AListenerThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &panickyListener{Context: t.Context()}
		s := started(t, Config{Partitions: 1})
		spec := Spec{Run: untyped(sleeps(time.Minute)), Parent: l, Timeout: time.Second}
		task, err := s.Spawn(spec)
		require.NoError(t, err)
		require.Equal(t, OK, task.Yield(Forever).Status)
		synctest.Wait()
		require.Equal(t, []Status{Timeout, OK}, l.got)
		require.Equal(t, OK, Run(t.Context(), s, 0, value(1)).Status)
		require.Zero(t, s.Stats().Running)
	})
}
