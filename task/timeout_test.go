package task

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
)

// Tasks end at their timeout, one millisecond before, and one after.
func around(i int, timeout time.Duration) time.Duration {
	return timeout + time.Duration(i%3-1)*time.Millisecond
}

const manyTimes = 10_000

func TestScenario04_FinishAgainstTimeout_Goroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, Config{})
		var by [Timeout + 1]int
		for i := range manyTimes {
			d := around(i, time.Second)
			o := Run(t.Context(), s, time.Second, func(context.Context) (int, error) { time.Sleep(d); return i, nil })
			first := o.Status
			if first == Timeout {
				require.GreaterOrEqual(t, d, time.Second, "in time is never a timeout")
				o = o.Task.Shutdown(time.Second)
			}
			require.Equal(t, OK, o.Status, "a value from before the grace was over is OK")
			require.Equal(t, i, o.Value)
			require.LessOrEqual(t, d, around(2, time.Second))
			by[first]++
		}
		require.GreaterOrEqual(t, by[OK], manyTimes/3)
		require.GreaterOrEqual(t, by[Timeout], manyTimes/3)
		require.Equal(t, Stats{Started: manyTimes}, s.Stats())
	})
}

func TestScenario04_FinishAgainstTimeout_Actors(t *testing.T) {
	for _, grace := range []time.Duration{Brutal, 500 * time.Microsecond, time.Second} {
		t.Run(grace.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { finishAgainstTimeout(t, grace) })
		})
	}
}

func finishAgainstTimeout(t *testing.T, grace time.Duration) {
	t.Helper()
	s, sys := startedIn(t, actor.NewSystem(actor.SystemConfig{}), Config{})
	own := newOwner(t, sys)
	final := make(map[uint64]Outcome[any], manyTimes)
	took := make(map[uint64]time.Duration, manyTimes)
	for i := range manyTimes {
		d := around(i, time.Second)
		task, err := s.Spawn(Spec{
			Run:   func(context.Context) (any, error) { time.Sleep(d); return d, nil },
			Owner: own.pid, Timeout: time.Second,
		})
		require.NoError(t, err)
		took[task.ID()] = d
	}
	for len(final) < manyTimes {
		o := own.next(t)
		if _, over := final[o.Task.ID()]; over {
			require.Fail(t, "nothing may come after the final outcome", "%+v", o)
		}
		if o.Status != Timeout {
			final[o.Task.ID()] = o
			continue
		}
		require.GreaterOrEqual(t, took[o.Task.ID()], time.Second, "in time is never a timeout")
		o.Task.Stop(ErrTimeout, grace)
	}
	for id, o := range final {
		if o.Status == OK {
			require.Equal(t, took[id], o.Value)
		} else {
			require.Greater(t, took[id], time.Second+grace-time.Millisecond,
				"what was there before the stop took effect is OK")
			require.ErrorIs(t, o.Reason, ErrTimeout)
			require.ErrorIs(t, o.Reason, ErrAbandoned)
		}
	}
	time.Sleep(time.Minute)
	own.quiet(t)
	require.Zero(t, s.Stats().Running+s.Stats().Abandoned)
}

func TestScenario05_TheTaskThatWillNotStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gauge int
		sys := actor.NewSystem(actor.SystemConfig{})
		s, _ := startedIn(t, sys,
			Config{Partitions: 1, MaxChildren: 1, MaxAbandoned: 1, OnAbandoned: func(n int) { gauge = n }})
		own := newOwner(t, sys)
		release := make(chan struct{})
		spec := Spec{Run: untyped(deaf(release)), Owner: own.pid, Name: "deaf", Timeout: time.Second}
		task, err := s.Spawn(spec)
		require.NoError(t, err)

		require.Equal(t, Timeout, own.next(t).Status)
		task.Stop(ErrTimeout, time.Second)
		o := own.next(t)
		require.Equal(t, Exit, o.Status)
		require.ErrorIs(t, o.Reason, ErrTimeout)
		require.ErrorIs(t, o.Reason, ErrAbandoned)
		require.Equal(t, 2*time.Second, o.RunTime)

		require.Equal(t, Stats{Abandoned: 1, Started: 1}, s.Stats(), "the place is free")
		require.Contains(t, task.Stack(), ".deaf.")
		time.Sleep(time.Hour)
		list, err := s.Stacks(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.True(t, list[0].Abandoned)
		require.Equal(t, "deaf", list[0].Name)
		require.Equal(t, time.Hour+2*time.Second, list[0].Age)
		require.Equal(t, task.Stack(), list[0].Stack)

		_, err = s.Spawn(spec)
		require.Equal(t, ErrMaxAbandoned, err)
		synctest.Wait()
		require.Equal(t, 1, gauge)

		close(release)
		synctest.Wait()
		own.quiet(t)
		require.Equal(t, 0, gauge)
		require.Equal(t, Stats{Started: 1, Late: 1}, s.Stats(), "the late result was dropped and counted")
		require.Equal(t, Exit, task.Yield(0).Status, "and changes nothing")
		require.Empty(t, task.Stack())
		list, err = s.Tasks(t.Context())
		require.NoError(t, err)
		require.Empty(t, list)
		require.Equal(t, OK, Run(t.Context(), s, 0, value(1)).Status, "it recovers")
	})
}

func TestExtendGivesMoreTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, sys := startedIn(t, actor.NewSystem(actor.SystemConfig{}), Config{})
		own := newOwner(t, sys)
		begin := time.Now()
		task, err := s.Spawn(Spec{Run: untyped(untilDone), Owner: own.pid, Timeout: time.Second})
		require.NoError(t, err)
		task.Extend(3 * time.Second) // before the first timeout, whose timer must keep quiet
		require.Equal(t, Timeout, own.next(t).Status)
		require.Equal(t, 3*time.Second, time.Since(begin))
		task.Extend(time.Second)
		require.Equal(t, Timeout, own.next(t).Status)
		require.Equal(t, 4*time.Second, time.Since(begin))
		task.Extend(time.Second)
		task.Stop(errFailed, time.Hour)
		task.Extend(time.Millisecond) // the grace is not to be extended or cut
		o := own.next(t)
		require.Equal(t, Exit, o.Status)
		require.ErrorIs(t, o.Reason, errFailed)
		time.Sleep(2 * time.Hour)
		own.quiet(t)
	})
}

func TestExtendAfterStopLeavesTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, sys := startedIn(t, actor.NewSystem(actor.SystemConfig{}), Config{})
		own := newOwner(t, sys)
		release := make(chan struct{})
		defer close(release)
		begin := time.Now()
		task, err := s.Spawn(Spec{Run: untyped(deaf(release)), Owner: own.pid})
		require.NoError(t, err)
		task.Stop(nil, time.Second)
		task.Extend(time.Hour)
		o := own.next(t)
		require.ErrorIs(t, o.Reason, ErrAbandoned)
		require.ErrorIs(t, o.Reason, ErrCancelled, "the cause when there is no other")
		require.Equal(t, time.Second, time.Since(begin))
	})
}

// A timer can fire while it is stopped: its message is then in the mailbox already.
func TestTheMessageOfAnOldTimerIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, sys := startedIn(t, actor.NewSystem(actor.SystemConfig{}), Config{})
		own := newOwner(t, sys)
		task, err := s.Spawn(Spec{Run: untyped(untilDone), Owner: own.pid, Timeout: time.Second})
		require.NoError(t, err)
		task.run.tell(&timeUp{})
		synctest.Wait()
		own.quiet(t)
		require.Equal(t, Timeout, own.next(t).Status)
		task.run.tell(&timeUp{})
		synctest.Wait()
		own.quiet(t)
		task.Stop(nil, time.Second)
		require.Equal(t, Exit, own.next(t).Status)
		task.run.tell(&timeUp{})
		synctest.Wait()
		own.quiet(t)
	})
}
