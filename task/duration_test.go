package task

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
)

// extremes are what a duration may be computed to.
func extremes() []time.Duration {
	return []time.Duration{math.MinInt64, -2, -1, 0, 1, Forever - 1, Forever}
}

// each calls f for each extreme in a bubble, with a supervisor that has been up for a while, and
// checks that the timeout of a neighbour in the same partition comes in time.
func each(t *testing.T, f func(t *testing.T, s *Supervisor, own *owner, d time.Duration)) {
	t.Helper()
	for _, d := range extremes() {
		t.Run(fmt.Sprint(int64(d)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				t.Cleanup(func() { time.Sleep(2 * time.Hour) }) // the abandoned task returns
				s, sys := startedIn(t, actor.NewSystem(actor.SystemConfig{}), Config{Partitions: 1})
				time.Sleep(time.Second)
				own := newOwner(t, sys)
				f(t, s, own, d)
				begin := time.Now()
				task, err := s.Spawn(Spec{Run: untyped(untilDone), Owner: own.pid, Timeout: time.Minute})
				require.NoError(t, err)
				for o := own.next(t); o.Task != task; o = own.next(t) {
					continue
				}
				require.Equal(t, time.Minute, time.Since(begin), "the neighbour's time")
				task.Shutdown(0)
			})
		})
	}
}

// sleeps runs for d.
func sleeps(d time.Duration) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { time.Sleep(d); return 1, nil }
}

func TestExtremesOfATimeout(t *testing.T) {
	each(t, func(t *testing.T, s *Supervisor, own *owner, d time.Duration) {
		task, err := s.Spawn(Spec{Run: untyped(sleeps(time.Hour)), Owner: own.pid, Timeout: d})
		require.NoError(t, err)
		if d == 1 {
			require.Equal(t, Timeout, own.next(t).Status)
		} else {
			time.Sleep(30 * time.Minute)
			own.quiet(t)
		}
		task.Ignore()
	})
}

func TestExtremesOfExtend(t *testing.T) {
	each(t, func(t *testing.T, s *Supervisor, own *owner, d time.Duration) {
		task, err := s.Spawn(Spec{Run: untyped(sleeps(time.Hour)), Owner: own.pid, Timeout: 10 * time.Minute})
		require.NoError(t, err)
		task.Extend(d)
		if d <= 1 {
			require.Equal(t, Timeout, own.next(t).Status, "its time is over now")
		} else {
			time.Sleep(30 * time.Minute)
			own.quiet(t)
		}
		task.Ignore()
	})
}

func TestExtremesOfAGrace(t *testing.T) {
	each(t, func(t *testing.T, s *Supervisor, _ *owner, d time.Duration) {
		for name, stop := range map[string]func(*Task[int]) Outcome[int]{
			"Shutdown":    func(task *Task[int]) Outcome[int] { return task.Shutdown(d) },
			"second Stop": func(task *Task[int]) Outcome[int] { task.Stop(nil, Forever); return task.Shutdown(d) },
			"YieldAll": func(task *Task[int]) Outcome[int] {
				return YieldAll([]*Task[int]{task}, 0, AllOptions{Late: LateIsShutDown, Grace: d})[0]
			},
		} {
			task, err := Start(t.Context(), s, sleeps(time.Hour))
			require.NoError(t, err)
			synctest.Wait()
			begin := time.Now()
			o := stop(task)
			after := time.Since(begin)
			switch {
			case d < 0:
				require.Zero(t, after, name)
			case d == 0:
				require.Equal(t, defaultGrace, after, name)
			case d == 1:
				require.Equal(t, time.Duration(1), after, name)
			default:
				require.Equal(t, OK, o.Status, name)
				require.Equal(t, time.Hour, after, name)
				continue
			}
			require.ErrorIs(t, o.Reason, ErrAbandoned, name)
		}
		time.Sleep(time.Hour)
	})
}

func TestExtremesOfTheGraceOfASupervisor(t *testing.T) {
	for _, d := range extremes() {
		synctest.Test(t, func(t *testing.T) {
			s := started(t, Config{Grace: d})
			task, err := Start(t.Context(), s, sleeps(30*time.Second))
			require.NoError(t, err)
			synctest.Wait()
			begin := time.Now()
			closed(t, s)
			after := time.Since(begin)
			if d > 1 {
				require.Equal(t, 30*time.Second, after)
				require.Equal(t, OK, task.Yield(0).Status)
				return
			}
			require.ErrorIs(t, task.Yield(0).Reason, ErrAbandoned)
			require.Less(t, after, 30*time.Second)
			time.Sleep(time.Minute)
		})
	}
}

func TestExtremesOfYield(t *testing.T) {
	each(t, func(t *testing.T, s *Supervisor, _ *owner, d time.Duration) {
		task, err := Start(t.Context(), s, sleeps(time.Hour))
		require.NoError(t, err)
		begin := time.Now()
		var all []Outcome[int]
		all = append(all, task.Yield(d), YieldAll([]*Task[int]{task}, d, AllOptions{})[0])
		for _, o := range all {
			if d <= 1 {
				require.Equal(t, Timeout, o.Status)
				require.Equal(t, ErrTimeout, o.Reason)
			} else {
				require.Equal(t, OK, o.Status)
			}
		}
		if d <= 1 {
			require.LessOrEqual(t, time.Since(begin), 2*max(d, 0))
		}
		task.Yield(Forever)
		require.Equal(t, OK, task.Yield(d).Status, "what is there is there")
		require.Equal(t, 1, YieldAll([]*Task[int]{task}, d, AllOptions{})[0].Value)
	})
}

func TestExtremesOfRun(t *testing.T) {
	each(t, func(t *testing.T, s *Supervisor, _ *owner, d time.Duration) {
		begin := time.Now()
		o := Run(t.Context(), s, d, sleeps(time.Hour))
		if d < 0 || d == 1 {
			require.Equal(t, Timeout, o.Status)
			require.Equal(t, max(d, 0), time.Since(begin))
			o = o.Task.Yield(Forever)
		}
		require.Equal(t, OK, o.Status)
	})
}

func TestExtremesOfAStream(t *testing.T) {
	each(t, func(t *testing.T, s *Supervisor, _ *owner, d time.Duration) {
		for _, opts := range []StreamOptions{
			{Timeout: d, Concurrency: 100},
			{Grace: d, Timeout: time.Hour, Concurrency: 100},
			{Concurrency: int(d)},
			{Concurrency: int(d), Unordered: true},
		} {
			taken, got := 0, 0
			for range Stream(t.Context(), s, upTo(10, &taken), func(context.Context, int) (int, error) {
				time.Sleep(time.Minute)
				return 1, nil
			}, opts) {
				got++
			}
			require.Equal(t, 10, got)
			time.Sleep(time.Hour)
			require.Zero(t, s.Stats().Running+s.Stats().Abandoned)
		}
	})
}

func TestExtremesOfCounts(t *testing.T) {
	for _, d := range extremes() {
		for field, cfg := range map[string]Config{
			"Partitions": {Partitions: int(d)}, "MaxChildren": {MaxChildren: int(d)},
			"MaxAbandoned": {MaxAbandoned: int(d)},
		} {
			s, err := New(cfg)
			if d < 0 || field == "Partitions" && d > 1 {
				require.ErrorIs(t, err, ErrConfig)
				require.ErrorContains(t, err, field)
				continue
			}
			require.NoError(t, err)
			require.NoError(t, s.Start(t.Context(), actor.NewSystem(actor.SystemConfig{})))
			require.Equal(t, OK, Run(t.Context(), s, 0, value(1)).Status)
			closed(t, s)
		}
		s := started(t, Config{})
		task, err := Start(t.Context(), s, value(1))
		require.NoError(t, err)
		require.Equal(t, 1, YieldAll([]*Task[int]{task}, time.Minute, AllOptions{Limit: int(d)})[0].Value)
	}
}

// Each deadline is kept, however many lengths of time there are, and while others are stopped.
func TestManyTasksWithTimeoutsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(time.Minute) }) // the dead letters are counted
		s, sys := startedIn(t, actor.NewSystem(actor.SystemConfig{}), Config{Partitions: 1})
		own := newOwner(t, sys)
		begin, due := time.Now(), map[uint64]time.Duration{}
		const many = 20_000
		for i := range many {
			d := time.Minute + rand.N(time.Hour)
			if i%10 == 0 {
				d = Forever - rand.N(time.Hour)
			}
			task, err := s.Spawn(Spec{Run: untyped(untilDone), Owner: own.pid, Timeout: d})
			require.NoError(t, err)
			switch {
			case i%10 == 0:
				task.Ignore()
			case i%3 == 0:
				task.Stop(nil, time.Second)
				require.Equal(t, Exit, own.next(t).Status)
			default:
				due[task.ID()] = d
			}
		}
		for len(due) > 0 {
			o := own.nextWithin(t, 2*time.Hour)
			require.Equal(t, Timeout, o.Status)
			require.Equal(t, due[o.Task.ID()], time.Since(begin))
			delete(due, o.Task.ID())
		}
		require.Len(t, s.life.Load().shares[0].clock.lists, many/10, "what is over leaves nothing behind")
	})
}

// A length of time without a deadline leaves nothing behind, before the timer fires
// too.
func TestAClockForgetsLengthsOfTime(t *testing.T) {
	c := &clock{fire: func() {}}
	defer c.stop()
	runs := make([]run, 1000)
	for i := range runs {
		c.set(&runs[i], 0, time.Hour+time.Duration(i))
	}
	for i := range runs {
		c.unset(&runs[rand.N(len(runs))])
		c.unset(&runs[i])
	}
	require.Equal(t, 0, len(c.lists)+len(c.order))
}

func TestSumsStayInRange(t *testing.T) {
	for _, now := range []time.Duration{0, 1, time.Hour, Forever - 1, Forever} {
		for _, d := range extremes() {
			got := after(now, d)
			require.GreaterOrEqual(t, got, now)
			require.GreaterOrEqual(t, got, d)
			if d <= 0 {
				require.Equal(t, now, got)
			}
		}
	}
}
