package task

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
)

func TestNewNamesTheBadField(t *testing.T) {
	for field, cfg := range map[string]Config{
		"Partitions": {Partitions: -1}, "MaxChildren": {MaxChildren: -2}, "MaxAbandoned": {MaxAbandoned: -3},
	} {
		_, err := New(cfg)
		require.ErrorIs(t, err, ErrConfig)
		require.ErrorContains(t, err, field+" is -")
	}
}

func TestNothingStartsWithoutALivingSupervisor(t *testing.T) {
	s, err := New(Config{})
	require.NoError(t, err)
	sys := actor.NewSystem(actor.SystemConfig{})
	for range 2 { // before, and after, and again
		_, err = Start(t.Context(), s, value(1))
		require.Equal(t, ErrClosed, err)
		_, err = s.Spawn(Spec{Run: untyped(value(1))})
		require.Equal(t, ErrClosed, err)
		require.Equal(t, Outcome[int]{Status: Exit, Reason: ErrClosed}, Run(t.Context(), s, 0, value(1)))
		closed(t, s)

		require.NoError(t, s.Start(t.Context(), sys))
		require.Equal(t, ErrRunning, s.Start(t.Context(), sys))
		require.Equal(t, OK, Run(t.Context(), s, 0, value(1)).Status)
		closed(t, s)
		closed(t, s)
	}
	require.Equal(t, Stats{Started: 2}, s.Stats())
}

func TestOneOfManyStartsWins(t *testing.T) {
	s, err := New(Config{})
	require.NoError(t, err)
	sys := actor.NewSystem(actor.SystemConfig{})
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if s.Start(t.Context(), sys) == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	require.Equal(t, int32(1), won.Load())
	require.Equal(t, OK, Run(t.Context(), s, 0, value(1)).Status)
	closed(t, s)
}

func TestMaxChildren(t *testing.T) {
	s := started(t, Config{MaxChildren: 2})
	var tasks []*Task[int]
	for range 2 {
		task, err := Start(t.Context(), s, untilDone)
		require.NoError(t, err)
		tasks = append(tasks, task)
	}
	_, err := Start(t.Context(), s, value(1))
	require.Equal(t, ErrMaxChildren, err)
	require.Equal(t, ErrMaxChildren, Run(t.Context(), s, 0, value(1)).Reason)
	tasks[0].Shutdown(0)
	for range 1000 {
		require.Equal(t, OK, Run(t.Context(), s, 0, value(1)).Status, "the place is free as soon as the outcome is out")
	}
}

func TestCloseStopsTheTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sys := actor.NewSystem(actor.SystemConfig{})
		s, _ := startedIn(t, sys, Config{Grace: 10 * time.Second})
		own := newOwner(t, sys)
		release := make(chan struct{})
		begin := time.Now()
		for _, f := range []func(context.Context) (int, error){
			untilDone, deaf(release),
			func(ctx context.Context) (int, error) {
				<-ctx.Done()
				time.Sleep(5 * time.Second)
				return 5, nil
			},
		} {
			_, err := s.Spawn(Spec{Run: untyped(f), Owner: own.pid})
			require.NoError(t, err)
		}
		synctest.Wait()
		hurried, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.Equal(t, context.DeadlineExceeded, s.Close(hurried))
		_, err := Start(t.Context(), s, value(1))
		require.Equal(t, ErrClosed, err)
		closed(t, s)
		require.Equal(t, 10*time.Second, time.Since(begin))

		require.Equal(t, actor.ErrShutdown, own.next(t).Reason)
		require.Equal(t, 5, own.next(t).Value)
		o := own.next(t)
		require.ErrorIs(t, o.Reason, ErrAbandoned)
		require.ErrorIs(t, o.Reason, actor.ErrShutdown)
		require.Equal(t, Stats{Abandoned: 1, Started: 3}, s.Stats(), "it outlives the supervisor, and counts")

		close(release)
		synctest.Wait()
		own.quiet(t)
		require.Equal(t, Stats{Started: 3, Late: 1}, s.Stats())
	})
}

func TestCloseCanAbandonAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, Config{Grace: -1})
		release := make(chan struct{})
		task, err := Start(t.Context(), s, deaf(release))
		require.NoError(t, err)
		synctest.Wait()
		closed(t, s)
		require.ErrorIs(t, task.Yield(Forever).Reason, ErrAbandoned)
		close(release)
	})
}

// A task that was started has an outcome, however close the end of the supervisor is, and however
// it ends.
func TestStartAgainstTheEnd(t *testing.T) {
	kill := func(t *testing.T, s *Supervisor) {
		l := s.life.Load()
		actor.Kill(l.sys, l.shares[0].part)
		require.Eventually(t, func() bool { return s.life.Load() == nil }, time.Minute, 100*time.Microsecond)
	}
	for name, end := range map[string]func(*testing.T, *Supervisor){
		"close": func(t *testing.T, s *Supervisor) { closed(t, s) },
		"crash": kill,
	} {
		t.Run(name, func(t *testing.T) {
			sys := actor.NewSystem(actor.SystemConfig{})
			s, _ := startedIn(t, sys, Config{Grace: 10 * time.Second})
			own := newOwner(t, sys)
			for range 10 {
				startAgainst(t, s, own, func() { end(t, s) })
				require.NoError(t, s.Start(t.Context(), sys))
			}
			require.Zero(t, s.Stats().Running+s.Stats().Abandoned)
		})
	}
}

func startAgainst(t *testing.T, s *Supervisor, own *owner, end func()) {
	t.Helper()
	var spawned atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				task, err := Start(t.Context(), s, untilDone)
				if err != nil {
					return // ErrClosed
				}
				task.Shutdown(0)
			}
		})
		wg.Go(func() {
			for {
				if _, err := s.Spawn(Spec{Run: untyped(value(1)), Owner: own.pid}); err != nil {
					return
				}
				spawned.Add(1)
			}
		})
	}
	end()
	wg.Wait()
	for range spawned.Load() {
		require.NotEqual(t, Timeout, own.next(t).Status)
	}
	require.Eventually(t, func() bool { return s.Stats().Abandoned == 0 }, time.Minute, 100*time.Microsecond)
	own.quiet(t)
}

func TestACrashOfAPartitionIsToldToAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sys := actor.NewSystem(actor.SystemConfig{})
		s, _ := startedIn(t, sys, Config{Partitions: 2})
		own := newOwner(t, sys)
		var causes sync.Map
		f := func(ctx context.Context) (any, error) {
			<-ctx.Done()
			causes.Store(context.Cause(ctx), true)
			time.Sleep(time.Millisecond) // or else it may return before it is given up
			return 1, nil
		}
		waiter, err := Start(t.Context(), s, f) // in partition 1
		require.NoError(t, err)
		_, err = Start(t.Context(), s, f) // in partition 0
		require.NoError(t, err)
		_, err = s.Spawn(Spec{Run: f, Owner: own.pid}) // in partition 1
		require.NoError(t, err)
		synctest.Wait()

		l := s.life.Load()
		actor.Kill(sys, l.shares[1].part)
		for _, reason := range []error{waiter.Yield(Forever).Reason, own.next(t).Reason} {
			require.ErrorIs(t, reason, ErrClosed)
			require.ErrorIs(t, reason, ErrAbandoned)
		}
		time.Sleep(time.Second)
		_, cancelled := causes.Load(ErrClosed)
		require.True(t, cancelled)
		_, stopped := causes.Load(actor.ErrShutdown)
		require.True(t, stopped, "the other partition ends in order")
		require.False(t, actor.Alive(sys, l.hub))
		require.Equal(t, Stats{Started: 3, Late: 2}, s.Stats())
		own.quiet(t)

		require.NoError(t, s.Start(t.Context(), sys), "the same handle lives again")
		require.Equal(t, OK, Run(t.Context(), s, 0, value(1)).Status)
	})
}

// A task that ended just when its partition crashed has its own outcome.
func TestACrashKeepsTheValueThatIsThere(t *testing.T) {
	sys := actor.NewSystem(actor.SystemConfig{})
	s, _ := startedIn(t, sys, Config{Partitions: 1})
	own := newOwner(t, sys)
	for range 300 {
		task, err := s.Spawn(Spec{Run: untyped(value("here")), Owner: own.pid})
		require.NoError(t, err)
		l := s.life.Load()
		actor.Kill(sys, l.shares[0].part)
		heard := own.next(t)
		require.Equal(t, heard, task.Yield(Forever), "the owner hears what those who wait hear")
		if heard.Status == Exit {
			require.ErrorIs(t, heard.Reason, ErrClosed)
		}
		require.Eventually(t, func() bool { return s.life.Load() == nil }, time.Minute, 100*time.Microsecond)
		require.NoError(t, s.Start(t.Context(), sys))
	}
	own.quiet(t)
}

func TestPropsLiveInAnotherTree(t *testing.T) {
	s, err := New(Config{})
	require.NoError(t, err)
	sys := actor.NewSystem(actor.SystemConfig{})
	exits := make(chan error, 2)
	second := make(chan struct{})
	parent := actor.SpawnRoot(sys, actor.FromFunc(func(ctx actor.Context) {
		switch msg := ctx.Message().(type) {
		case *actor.Started:
			actor.Spawn(ctx, s.Props(), actor.SpawnOptions{Monitor: true, Ready: true})
		case *actor.Ready:
			close(second)
		case string:
			actor.Spawn(ctx, s.Props(), actor.SpawnOptions{Monitor: true})
		case *actor.Exited:
			exits <- msg.Reason
		}
	}), "parent")
	<-second
	task, err := Start(t.Context(), s, untilDone)
	require.NoError(t, err)
	actor.Send(sys, parent, "a second one")
	require.Equal(t, ErrRunning, <-exits)
	_, err = actor.Shutdown(t.Context(), sys, parent)
	require.NoError(t, err)
	require.Equal(t, actor.ErrShutdown, task.Yield(Forever).Reason, "a tree that stops waits for the tasks")
}
