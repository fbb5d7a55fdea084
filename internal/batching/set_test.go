package batching

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/task"
)

// scene is a Set, and functions whose calls the test ends.
type scene struct {
	*testing.T
	set   *Set
	calls calls
}

// act runs f in a bubble, and ends what it has left.
func act(t *testing.T, s Settings, f func(s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		one := &scene{T: t, set: New(s)}
		defer func() {
			one.calls.close()
			one.set.Drain()
			synctest.Wait()
			require.Empty(t, one.set.members)
		}()
		f(one)
	})
}

func (s *scene) function(size int, wait time.Duration) *Function {
	f := s.calls.function()
	f.Size, f.Wait = size, wait
	return f
}

// join starts jobs with the given IDs, one after the other.
func (s *scene) join(f *Function, ids ...string) []*job {
	jobs := make([]*job, len(ids))
	for i, id := range ids {
		jobs[i] = newJob(id, f)
		go jobs[i].run(s.set)
		synctest.Wait()
	}
	return jobs
}

// end ends the call in the task of a job.
func (s *scene) end(leader *job, end func() (map[string]error, error)) {
	s.Helper()
	synctest.Wait()
	require.NotNil(s, s.calls.all()[leader])
	s.calls.finish(leader, end)
	synctest.Wait()
}

// TestSet_LastToComeLeads, because it has the most time left; the first does when the wait is over.
func TestSet_LastToComeLeads(t *testing.T) {
	act(t, Settings{Slots: 10}, func(s *scene) {
		f := s.function(3, time.Second)
		jobs := s.join(f, "1", "2", "3", "4", "5")
		require.Equal(s, jobs[:3], s.calls.all()[jobs[2]].members)
		require.Len(s, s.calls.all(), 1)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(s, jobs[3:], s.calls.all()[jobs[3]].members)
	})
}

// TestSet_NothingMoreCanCome: when the members that gather have every slot, the oldest batch is
// handled, and each that leaves makes room for one.
func TestSet_NothingMoreCanCome(t *testing.T) {
	act(t, Settings{Slots: 4}, func(s *scene) {
		one, other := s.function(4, time.Hour), s.function(4, time.Hour)
		jobs := append(s.join(one, "1", "2"), s.join(other, "3")...)
		require.Empty(s, s.calls.all())
		jobs[1].stop(errStopped)
		synctest.Wait()
		jobs = append(jobs, s.join(other, "4")...)
		require.Empty(s, s.calls.all(), "two functions share the slots")
		jobs = append(jobs, s.join(other, "5")...)
		require.Len(s, s.calls.all(), 1)
		require.Equal(s, jobs[:1], s.calls.all()[jobs[0]].members)
	})
}

// TestSet_NextDue: of batches that are due at the same time, the one that began first is handled
// first.
func TestSet_NextDue(t *testing.T) {
	act(t, Settings{Slots: 20}, func(s *scene) {
		sooner := s.function(20, time.Minute)
		jobs := s.join(s.function(20, time.Hour), "0")
		for range 18 {
			jobs = append(jobs, s.join(s.function(20, time.Hour), "1")...)
		}
		jobs = append(jobs, s.join(sooner, "2")...)
		require.Len(s, s.calls.all(), 1)
		require.NotNil(s, s.calls.all()[jobs[19]])
		s.end(jobs[19], func() (map[string]error, error) { return nil, nil })
		s.join(jobs[1].f, "3")
		require.Len(s, s.calls.all(), 1)
		require.NotNil(s, s.calls.all()[jobs[0]])
	})
}

// TestSet_Bytes: a batch is handled when it has as many bytes as it may have, and before it would
// have more.
func TestSet_Bytes(t *testing.T) {
	for _, c := range []struct{ sizes, batches []int }{
		{sizes: []int{50, 49}},
		{sizes: []int{50, 50, 1}, batches: []int{2}},
		{sizes: []int{50, 51, 1}, batches: []int{1}},
		{sizes: []int{50, 100}, batches: []int{1, 1}},
		{sizes: []int{500, 1}, batches: []int{1}},
		{sizes: []int{0, 0, 99}},
	} {
		act(t, Settings{Slots: 10}, func(s *scene) {
			f := s.function(10, time.Hour)
			f.Bytes = 100
			for i, size := range c.sizes {
				j := newJob(fmt.Sprint(i), f)
				j.Size = size
				go j.run(s.set)
				synctest.Wait()
			}
			var batches []int
			for _, one := range s.calls.all() {
				batches = append(batches, len(one.members))
			}
			require.Equal(s, c.batches, batches, "of %v", c.sizes)
		})
	}
}

// TestSet_AnotherLeader: when the leader leaves before it handles the batch, another one does.
func TestSet_AnotherLeader(t *testing.T) {
	act(t, Settings{Slots: 10}, func(s *scene) {
		f := s.function(3, time.Second)
		jobs := s.join(f, "1", "2")
		last := newJob("3", f)
		last.stop(errStopped)
		go last.run(s.set)
		synctest.Wait()
		require.Equal(s, []Result{{Err: errStopped}}, last.results)
		require.Equal(s, jobs, s.calls.all()[jobs[0]].members)
		s.end(jobs[0], func() (map[string]error, error) { return done(jobs), nil })
		require.Equal(s, []Result{{}}, jobs[1].results)
	})
}

// TestSet_Alone: the only member of a batch that is about to lead it, and leaves, takes the batch
// with it.
func TestSet_Alone(t *testing.T) {
	for attempt := 1; attempt <= 2; attempt++ {
		act(t, Settings{Slots: 10}, func(s *scene) {
			j := newJob("1", s.function(1, time.Second))
			j.Attempt = attempt
			j.stop(errStopped)
			go j.run(s.set)
			synctest.Wait()
			require.Equal(s, []Result{{Err: errStopped}}, j.results)
			require.Empty(s, s.calls.all())
		})
	}
}

// TestSet_FunctionThatFails: a panic and a Goexit are the result of all members, with the stack,
// also of those that were told to stop. A Goexit ends the leader's goroutine.
func TestSet_FunctionThatFails(t *testing.T) {
	for ending, fail := range map[Ending]func(){Panicked: func() { panic(errPanic) }, Exited: runtime.Goexit} {
		act(t, Settings{Slots: 10, Grace: 10 * time.Second}, func(s *scene) {
			jobs := s.join(s.function(3, time.Second), "1", "2", "3")
			jobs[0].stop(errStopped)
			s.end(jobs[2], func() (map[string]error, error) { fail(); return done(jobs), nil })
			require.Equal(s, ending == Exited, jobs[2].exited)
			for _, j := range jobs {
				if j.exited {
					continue
				}
				require.Len(s, j.results, 1)
				require.Equal(s, ending, j.results[0].Ending)
				require.Contains(s, actor.Stack(j.results[0].Err), "FunctionThatFails")
			}
		})
	}
}

// TestSet_FunctionThatHangs: when the leader was told to stop, the others wait for nine tenths of
// the grace. One that was told so, too, has its own cause.
func TestSet_FunctionThatHangs(t *testing.T) {
	act(t, Settings{Slots: 10, Grace: 10 * time.Second}, func(s *scene) {
		jobs := s.join(s.function(3, time.Second), "1", "2", "3")
		jobs[2].stop(errStopped)
		synctest.Wait()
		require.Equal(s, errStopped, context.Cause(s.calls.all()[jobs[2]].ctx))
		time.Sleep(9*time.Second - 1)
		jobs[1].stop(errExpired)
		synctest.Wait()
		require.False(s, jobs[0].over() || jobs[1].over())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		want := Result{Err: ErrNoResult, Ending: Stopped, Leader: &jobs[2].Member, Cause: errStopped}
		require.Equal(s, []Result{want}, jobs[0].results)
		require.Equal(s, []Result{{Err: errExpired}}, jobs[1].results)
		require.False(s, jobs[2].over(), "its task runs the function")
	})
}

// TestSet_FunctionThatSucceedsLate: a result counts, also for a member that was told to stop.
func TestSet_FunctionThatSucceedsLate(t *testing.T) {
	act(t, Settings{Slots: 10, Grace: 10 * time.Second}, func(s *scene) {
		jobs := s.join(s.function(3, time.Second), "1", "2", "3")
		jobs[2].stop(errStopped)
		s.end(jobs[2], func() (map[string]error, error) { return done(jobs[1:]), errOfAll })
		want := Result{Err: errOfAll, Ending: Stopped, Leader: &jobs[2].Member, Cause: errStopped}
		require.Equal(s, []Result{want}, jobs[0].results)
		require.Equal(s, []Result{{}}, jobs[1].results)
		require.Equal(s, []Result{{}}, jobs[2].results)
	})
}

// TestSet_NoOneIsLeft: the function is told to stop when all members were, but not by fewer of
// them.
func TestSet_NoOneIsLeft(t *testing.T) {
	act(t, Settings{Slots: 10, Grace: 10 * time.Second}, func(s *scene) {
		jobs := s.join(s.function(3, time.Second), "1", "2", "3")
		ctx := s.calls.all()[jobs[2]].ctx
		jobs[2].expire(errExpired)
		jobs[1].stop(errStopped)
		synctest.Wait()
		require.NoError(s, ctx.Err())
		jobs[0].stop(errOfJob)
		synctest.Wait()
		require.Equal(s, errOfJob, context.Cause(ctx))
		require.Equal(s, context.Canceled, ctx.Err())
	})
}

// TestSet_ContextEnds when the function has returned.
func TestSet_ContextEnds(t *testing.T) {
	act(t, Settings{Slots: 10}, func(s *scene) {
		j := s.join(s.function(1, time.Second), "1")[0]
		ctx := s.calls.all()[j].ctx
		require.NoError(s, ctx.Err())
		s.end(j, func() (map[string]error, error) { return nil, nil })
		require.Equal(s, context.Canceled, context.Cause(ctx))
	})
}

// TestSet_Context has the values and the deadline of the task in which the function runs, and
// reports that its time was over as that task's does.
func TestSet_Context(t *testing.T) {
	act(t, Settings{Slots: 10}, func(s *scene) {
		type key struct{}
		at := time.Now().Add(time.Hour)
		own, cancel := context.WithDeadline(s.Context(), at)
		defer cancel()
		ctx, expire := context.WithTimeout(context.WithValue(WithTask(own), key{}, "value"), time.Minute)
		defer expire()
		s.set.Join(ctx, &Function{Size: 1, Call: func(ctx context.Context, _ []*Member) (map[string]error, error) {
			require.Equal(s, "value", ctx.Value(key{}))
			deadline, ok := ctx.Deadline()
			require.True(s, ok)
			require.Equal(s, at, deadline)
			return nil, nil
		}}, &Member{Owner: 1, Attempt: 1})

		j := s.join(s.function(1, time.Second), "1")[0]
		run := s.calls.all()[j].ctx
		j.stop(task.ErrTimeout)
		synctest.Wait()
		require.Equal(s, context.DeadlineExceeded, run.Err())
		require.Equal(s, task.ErrTimeout, context.Cause(run))
	})
}

// TestSet_TaskUnknown: without WithTask, the context of Join is that of the task.
func TestSet_TaskUnknown(t *testing.T) {
	act(t, Settings{Slots: 10}, func(s *scene) {
		ctx, cancel := context.WithCancelCause(s.Context())
		s.set.Join(ctx, &Function{Size: 1, Call: func(ctx context.Context, _ []*Member) (map[string]error, error) {
			cancel(errStopped)
			<-ctx.Done()
			require.Equal(s, errStopped, context.Cause(ctx))
			return nil, nil
		}}, &Member{Owner: 1, Attempt: 1})
	})
}

// TestSet_TimeLeft: the time of a batch begins when its gathering ends, and is the same for all
// members.
func TestSet_TimeLeft(t *testing.T) {
	act(t, Settings{Slots: 10}, func(s *scene) {
		jobs := s.join(s.function(2, time.Second), "1")
		require.Equal(s, time.Minute+time.Second, s.set.TimeLeft(jobs[0], time.Minute))
		time.Sleep(time.Second / 2)
		jobs = append(jobs, s.join(jobs[0].f, "2")...)
		for _, j := range jobs {
			require.Equal(s, time.Minute, s.set.TimeLeft(j, time.Minute))
		}
		time.Sleep(2 * time.Minute)
		require.Equal(s, -time.Minute, s.set.TimeLeft(jobs[0], time.Minute))
		require.Zero(s, s.set.TimeLeft("another", time.Minute))
	})
}

// TestSet_OwnerTwice: an owner whose earlier task goes on is that of its latest member.
func TestSet_OwnerTwice(t *testing.T) {
	act(t, Settings{Slots: 10}, func(s *scene) {
		f := s.function(1, time.Second)
		first, second := newJob("1", f), newJob("1", f)
		second.Owner = first
		go first.run(s.set)
		synctest.Wait()
		time.Sleep(time.Second)
		go second.run(s.set)
		synctest.Wait()
		s.end(first, func() (map[string]error, error) { return done([]*job{first}), nil })
		require.True(s, first.over())
		require.Equal(s, time.Minute, s.set.TimeLeft(first, time.Minute))
		s.calls.close()
		synctest.Wait()
		require.True(s, second.over())
	})
}

// TestSet_StrangeIDs: a function that has taken something else for the ID is named in the error.
func TestSet_StrangeIDs(t *testing.T) {
	act(t, Settings{Slots: 10}, func(s *scene) {
		j := s.join(s.function(1, time.Second), "1")[0]
		s.end(j, func() (map[string]error, error) {
			return map[string]error{"customer-8": nil, "customer-7": nil}, nil
		})
		require.ErrorIs(s, j.results[0].Err, ErrNoResult)
		require.EqualError(s, j.results[0].Err, ErrNoResult.Error()+
			`; there are results for 2 IDs that are not of the batch, such as "customer-7"; want those of Job.ID`)
	})
}

// TestSet_ResultsAreCopied: the function may go on using its map.
func TestSet_ResultsAreCopied(t *testing.T) {
	act(t, Settings{Slots: 10}, func(s *scene) {
		results := map[string]error{"1": nil}
		j := s.join(s.function(1, time.Second), "1")[0]
		s.end(j, func() (map[string]error, error) { return results, nil })
		results["1"] = errOfJob
		require.Equal(s, Result{}, j.batch.result(&j.Member))
	})
}

// TestSet_RoomOfThoseWhoLeft: a member that leaves makes room for another, in bytes and for the
// same ID.
func TestSet_RoomOfThoseWhoLeft(t *testing.T) {
	act(t, Settings{Slots: 10}, func(s *scene) {
		f := s.function(3, time.Hour)
		f.Bytes = 10
		join := func(id string, size int) *job {
			j := newJob(id, f)
			j.Size = size
			go j.run(s.set)
			synctest.Wait()
			return j
		}
		first := join("1", 3)
		join("2", 5).stop(errStopped)
		synctest.Wait()
		again, last := join("2", 4), join("3", 2)
		require.Equal(s, []*job{first, again, last}, s.calls.all()[last].members)
	})
}

func TestEnding_String(t *testing.T) {
	var all []string
	for e := Own; e <= Stopped+1; e++ {
		all = append(all, fmt.Sprint(e))
	}
	require.Equal(t, []string{"own", "panicked", "exited", "stopped", "ending(4)"}, all)
}

// TestSet_StoppedAtTheEnd: when the leader's task is told to stop just before the function returns,
// the members without a result learn that.
func TestSet_StoppedAtTheEnd(t *testing.T) {
	act(t, Settings{Slots: 10}, func(s *scene) {
		f := &Function{Size: 2, Wait: time.Second}
		jobs := []*job{newJob("1", f), newJob("2", f)}
		f.Call = func(context.Context, []*Member) (map[string]error, error) {
			jobs[1].stop(errStopped)
			return nil, nil
		}
		for _, j := range jobs {
			go j.run(s.set)
			synctest.Wait()
		}
		want := Result{Err: ErrNoResult, Ending: Stopped, Leader: &jobs[1].Member, Cause: errStopped}
		require.Equal(s, []Result{want}, jobs[0].results)
		require.Equal(s, []Result{{Err: ErrNoResult}}, jobs[1].results)
	})
}

// TestSet_ResultsAreSealed: the members may read them, however they behave.
func TestSet_ResultsAreSealed(t *testing.T) {
	act(t, Settings{Slots: 10}, func(s *scene) {
		j := s.join(s.function(1, time.Second), "1")[0]
		s.end(j, func() (map[string]error, error) { return map[string]error{"1": wildError{}}, nil })
		require.NotPanics(s, func() { _ = j.results[0].Err.Error() })
	})
}

// wildError is an error that can't be read.
type wildError struct{}

func (wildError) Error() string { panic("wild") }

// TestSet_OneLeader: when a member leaves that does not lead, the leader stays.
func TestSet_OneLeader(t *testing.T) {
	set, f := New(Settings{Slots: 10}), &Function{Size: 3, Wait: time.Hour}
	members := make([]*Member, 3)
	for i := range members {
		members[i] = &Member{Owner: i, ID: fmt.Sprint(i), Attempt: 1, turn: make(chan struct{}, 1)}
		set.enter(f, members[i])
	}
	require.Len(t, members[2].turn, 1, "it was elected, and has not begun")
	require.True(t, set.leave(members[0]))
	require.Same(t, members[2], members[2].batch.leader)
	require.Empty(t, members[1].turn)
	require.True(t, set.leave(members[2]))
	require.Len(t, members[1].turn, 1)
}
