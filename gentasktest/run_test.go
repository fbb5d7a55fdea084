package gentasktest_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/gentasktest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

func TestScenario35_OneCallReturnsTheResultOfAMessage(t *testing.T) {
	for _, c := range []struct {
		to         string
		settlement queue.Disposition
		outcome    task.Status
		after      time.Duration
		reason     string
	}{
		{"anna", queue.Ack, task.OK, 0, ""},
		{"later", queue.Release, task.OK, 0, ""},
		{"nobody", queue.DeadLetter, task.Exit, 0, "bounced"},
		{"hang", queue.Requeue, task.Timeout, time.Hour, "task: timeout"},
	} {
		t.Run(c.to, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := gentasktest.Run(t, gentask.Work(postman{}), gentasktest.JSON(t, mail{c.to}), gentask.Config{})
				require.Equal(t, c.settlement, got.Disposition)
				require.Equal(t, c.outcome, got.Outcome)
				require.Equal(t, c.after, got.After)
				require.Equal(t, 1, got.Attempt)
				if c.reason == "" {
					require.NoError(t, got.Reason)
				} else {
					require.ErrorContains(t, got.Reason, c.reason)
				}
			})
		})
	}
}

func TestScenario35_ATimeoutOfAnHourCostsNoTime(t *testing.T) {
	begin := time.Now()
	synctest.Test(t, func(t *testing.T) {
		got := gentasktest.Run(t, gentask.Work(postman{}), gentasktest.JSON(t, mail{"hang"}),
			gentask.Config{Timeout: time.Hour})
		require.ErrorIs(t, got.Reason, task.ErrTimeout)
		require.Equal(t, time.Hour, got.RunTime)
	})
	require.Less(t, time.Since(begin), time.Minute)
}

func TestScenario35_APanicComesWithItsStack(t *testing.T) {
	got := gentasktest.Run(t, gentask.Work(postman{}), gentasktest.JSON(t, mail{"panic"}), gentask.Config{})
	require.Equal(t, queue.Requeue, got.Disposition)
	require.Positive(t, got.After, "the configured back-off")
	var panicked *actor.PanicError
	require.ErrorAs(t, got.Reason, &panicked)
	require.Equal(t, "no stamps", panicked.Value)
	require.Contains(t, actor.Stack(got.Reason), "postman.Run")
}

func TestScenario35_WhatCannotBeDecodedIsNotRun(t *testing.T) {
	got := gentasktest.Run(t, gentask.Work(postman{}), gentasktest.JSON(t, "}{"), gentask.Config{})
	require.Equal(t, queue.DeadLetter, got.Disposition)
	var undecodable *gentask.DecodeError
	require.ErrorAs(t, got.Reason, &undecodable)
}

func TestScenario35_AnAttemptCanBeAnyOf(t *testing.T) {
	cfg := gentask.Config{Retry: gentask.Retry{MaxAttempts: 5}}
	for n := -1; n <= 7; n++ {
		var seen []string
		behavior := gentask.Work(spy{func(job gentask.Job[mail]) {
			seen = append(seen, fmt.Sprintf("%d %v", job.Attempt(), job.Redelivered()))
		}})
		got := gentasktest.Run(t, behavior, gentasktest.Attempt(gentasktest.JSON(t, mail{"x"}), n), cfg)
		require.Equal(t, max(n, 1), got.Attempt)
		switch {
		case n < 5:
			require.Equal(t, queue.Requeue, got.Disposition)
			require.Equal(t, []string{fmt.Sprintf("%d %v", max(n, 1), n > 1)}, seen)
		case n == 5:
			require.Equal(t, queue.DeadLetter, got.Disposition, "the last one")
			require.Equal(t, []string{"5 true"}, seen)
		default:
			require.Equal(t, queue.DeadLetter, got.Disposition, "one too many: it is not run")
			require.Zero(t, got.Outcome)
			require.Empty(t, seen)
		}
	}
}

// spy is a worker that always fails, and reports each job.
type spy struct{ tell func(gentask.Job[mail]) }

func (spy) Run(context.Context, mail) (int, error) { return 0, errBounced }

func (s spy) HandleResult(job gentask.Job[mail], o task.Outcome[int]) gentask.Decision {
	s.tell(job)
	return gentask.DefaultDecision(job, o)
}

func TestScenario35_FinishGoesOnToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, runs := time.Now(), 0
		behavior := gentask.Handle(func(context.Context, mail) error {
			if runs++; runs < 4 {
				return errBounced
			}
			return nil
		})
		all := gentasktest.Finish(t, behavior, gentasktest.JSON(t, mail{}), gentask.Config{
			Retry: gentask.Retry{Backoff: gentask.Backoff{Base: time.Minute}},
		})
		require.Len(t, all, 4)
		for i, got := range all[:3] {
			require.Equal(t, queue.Requeue, got.Disposition)
			require.Equal(t, i+1, got.Attempt)
			require.ErrorIs(t, got.Reason, errBounced)
		}
		require.Equal(t, queue.Ack, all[3].Disposition)
		require.GreaterOrEqual(t, time.Since(begin), all[0].After+all[1].After+all[2].After, "it waited as told")
	})
}

func TestScenario35_FinishEndsWithADeadLetter(t *testing.T) {
	cfg := gentask.Config{Retry: gentask.Retry{MaxAttempts: 3, Backoff: gentask.Backoff{Base: time.Millisecond}}}
	all := gentasktest.Finish(t, gentask.Work(spy{func(gentask.Job[mail]) {}}), gentasktest.JSON(t, mail{}), cfg)
	require.Len(t, all, 3)
	require.Equal(t, queue.DeadLetter, all[2].Disposition)
	var spent *gentask.AttemptsError
	require.ErrorAs(t, all[2].Reason, &spent)
	require.Equal(t, 3, spent.Attempt)
	require.ErrorIs(t, spent, errBounced)
}

func TestScenario35_AReleaseIsDeliveredAgainAtOnce(t *testing.T) {
	n := 0
	all := gentasktest.Finish(t, gentask.Work(undecided{func() bool { n++; return n == 10 }}),
		gentasktest.JSON(t, mail{}), gentask.Config{})
	require.Len(t, all, 10)
	for i, got := range all {
		require.Equal(t, 1, got.Attempt)
		require.Equal(t, i == 9, got.Disposition == queue.Ack)
	}
}

// undecided releases its job until it is ready.
type undecided struct{ ready func() bool }

func (undecided) Run(context.Context, mail) (int, error) { return 1, nil }

func (u undecided) HandleResult(gentask.Job[mail], task.Outcome[int]) gentask.Decision {
	if u.ready() {
		return gentask.Ack()
	}
	return gentask.Release()
}

func TestScenario35_AnActorWorkerToo(t *testing.T) {
	behavior := gentask.Actor(func(job gentask.ActorJob[mail]) *actor.Props {
		return actor.FromFunc(func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *actor.Started:
				if err := job.Run(ctx, func(context.Context) (any, error) { return nil, errBounced }); err != nil {
					panic(err)
				}
			case *task.Outcome[any]:
				_ = job.Settle(gentask.DeadLetter(msg.Reason))
				ctx.Stop(ctx.Self())
			}
		})
	})
	got := gentasktest.Run(t, behavior, gentasktest.JSON(t, mail{}), gentask.Config{})
	require.Equal(t, queue.DeadLetter, got.Disposition)
	require.ErrorIs(t, got.Reason, errBounced)
}

func TestScenario35_TheUsersHookIsCalledAndTheEventsAreKept(t *testing.T) {
	heard := 0
	cfg := gentask.Config{OnEvent: func(gentask.Event) { heard++; panic("a bad hook") }}
	got := gentasktest.Run(t, gentask.Work(postman{}), gentasktest.JSON(t, mail{"anna"}), cfg)
	require.GreaterOrEqual(t, heard, len(got.Events))
	last := got.Events[len(got.Events)-1]
	require.Equal(t, gentask.EventDone, last.Kind)
	starts := 0
	for _, ev := range got.Events {
		if ev.Kind == gentask.EventReceived {
			starts++
			require.Equal(t, last.ID, ev.ID)
		}
	}
	require.Equal(t, 1, starts)
}

func TestScenario35_ATaskThatDoesNotStopHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		behavior := gentask.Handle(func(context.Context, mail) error { <-release; return nil })
		got := gentasktest.Run(t, behavior, gentasktest.JSON(t, mail{}),
			gentask.Config{Timeout: time.Second, Grace: time.Second})
		require.Equal(t, queue.Requeue, got.Disposition)
		require.Equal(t, task.Timeout, got.Outcome)
		require.Equal(t, 2*time.Second, got.RunTime)
		close(release)
	})
}

// failing is a test that ends with Fatalf.
type failing struct{ text string }

func (*failing) Helper() {}

func (f *failing) Fatalf(format string, args ...any) { f.text = fmt.Sprintf(format, args...) }

func TestBadInputEndsTheTest(t *testing.T) {
	f := &failing{}
	gentasktest.Run(f, gentask.Behavior{}, queue.Message{}, gentask.Config{})
	require.Contains(t, f.text, "behavior is empty")
	gentasktest.Finish(f, gentask.Work(postman{}), queue.Message{}, gentask.Config{Concurrency: -1})
	require.Contains(t, f.text, "Concurrency is -1")
	gentasktest.JSON(f, make(chan int))
	require.Contains(t, f.text, "payload is a chan int")
}

func TestABodyOfBytesOrTextIsTakenAsItIs(t *testing.T) {
	for _, payload := range []any{[]byte("{}"), "{}", struct{}{}} {
		require.Equal(t, "{}", string(gentasktest.JSON(t, payload).Body))
	}
}
