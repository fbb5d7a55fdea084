package gentask

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/breaker"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// ran runs f as the task of a job whose worker is a user's, and waits until it has returned.
func (r atRest) ran(e *entry, f func(context.Context) (any, error)) {
	r.Helper()
	require.NoError(r, e.run(task.Spec{Run: f, Owner: e.incarnation.consumer}))
	r.settle()
	require.True(r, e.currentTask().Over())
}

// TestEntry_Context: the job is the only value of its task's context.
func TestEntry_Context(t *testing.T) {
	e := madeUp(t, queue.Delivery{})
	require.Same(t, e, (*entryContext)(e).Value(entryKey{}))
	require.Nil(t, (*entryContext)(e).Value("another key"))
}

// TestRun_Refused: an error of the task supervisor is returned, and there is no task. The ledger
// ends if that supervisor runs no more tasks, and goes on if it has only too many.
func TestRun_Refused(t *testing.T) {
	rested(t, full, func(r atRest) {
		first, e := r.ledger, r.delivery(r.ledger.session.link, queue.Delivery{})
		require.ErrorIs(r, e.run(task.Spec{}), task.ErrMaxAbandoned)
		require.Nil(r, e.currentTask())
		r.do("wait 1s")
		require.Same(r, first, r.ledger)
	})
	rested(t, []string{"start"}, func(r atRest) {
		first, e := r.ledger, r.delivery(r.ledger.session.link, queue.Delivery{})
		e.incarnation = r.closed()
		require.ErrorIs(r, e.run(task.Spec{}), task.ErrClosed)
		require.Nil(r, e.currentTask())
		r.do("wait 1s")
		require.NotSame(r, first, r.ledger)
	})
}

// closed returns an incarnation whose task supervisor runs no tasks.
func (r atRest) closed() *incarnation {
	tasks, err := task.New(task.Config{})
	require.NoError(r, err)
	i := newIncarnation(r.sys, r.ledger.self, r.ledger.instance)
	i.tasks = tasks
	return i
}

// full is the script of a consumer whose task supervisor has too many abandoned tasks.
var full = []string{"set MaxAbandoned 1", "set Timeout 1s", "set Grace 1s", "run a: deaf 9s", "publish a", "wait 3s"}

// TestStartWorker_Refused: a job that the task supervisor refuses is released. HandleResult is not
// asked, because nothing has run.
func TestStartWorker_Refused(t *testing.T) {
	rested(t, full, func(r atRest) {
		e, asked := r.delivery(r.ledger.session.link, queue.Delivery{Attempt: 1}), r.seen("HandleResult")
		for _, want := range []error{task.ErrMaxAbandoned, task.ErrClosed} {
			startWorker(e, r.ledger.behavior.kernel)
			r.settle()
			d, reason := e.verdict()
			require.Equal(r, Release(), d)
			require.ErrorIs(r, reason, want)
			require.Equal(r, asked, r.seen("HandleResult"))
			e = r.delivery(r.ledger.session.link, queue.Delivery{Attempt: 1})
			e.incarnation = r.closed()
		}
	})
}

// TestStartWorker_Stopped: HandleResult decides about a job that was stopped before it began.
func TestStartWorker_Stopped(t *testing.T) {
	rested(t, []string{"handle made up: release", "start"}, func(r atRest) {
		e := r.delivery(r.ledger.session.link, queue.Delivery{Attempt: 1})
		e.stop(ErrCancelled)
		startWorker(e, r.ledger.behavior.kernel)
		r.settle()
		d, _ := e.verdict()
		require.Equal(r, Release(), d)
		require.Equal(r, 1, r.seen("HandleResult made up"))
	})
}

// TestWorker_Killed: the end of a worker is a failure of HandleResult only if it comes of that.
func TestWorker_Killed(t *testing.T) {
	for script, failed := range map[string]int{"handle a: panic boom": 1, "run a: hang": 0} {
		rested(t, []string{script, "publish a"}, func(r atRest) {
			if failed == 0 {
				r.do("kill worker a")
			}
			require.Equal(r, 1, r.seen("event done a: requeue"))
			require.Equal(r, failed, r.consumer.Health().Hooks["HandleResult"].Failed)
		})
	}
}

// TestTimeout_Abandoned: what is known of a run that was stopped for its timeout is how it ended.
func TestTimeout_Abandoned(t *testing.T) {
	script := []string{"set Timeout 1s", "set Grace 1s", "run a: deaf 9s", "publish a", "wait 1500ms"}
	rested(t, script, func(r atRest) {
		e := r.job("a")
		r.do("wait 1s")
		require.True(r, e.wasAbandoned())
		done := endOf(e)
		require.Equal(r, task.Timeout, done.Outcome)
		require.Equal(r, 2*time.Second, done.RunTime.Round(time.Millisecond))
	})
}

// TestRun_Again: what is known of a job's run is of its last one. That a goroutine was left behind
// stays true.
func TestRun_Again(t *testing.T) {
	rested(t, []string{"worker actor", "actor a: idle", "set Policy.Adaptive.Min 1", "publish a"}, func(r atRest) {
		e := r.job("a")
		r.ran(e, func(context.Context) (any, error) {
			e.mark(factUndecodable)
			return nil, errStale
		})
		require.True(r, e.facts(task.Exit).has(factUndecodable))
		require.True(r, e.uncounted)
		r.ran(e, func(context.Context) (any, error) { panic("boom") })
		require.Equal(r, factPanicked, e.facts(task.Exit))
		require.False(r, e.uncounted, "a panic counts")
		e.note(&task.Outcome[any]{Ending: task.Abandoned})
		e.note(&task.Outcome[any]{Ending: task.Returned})
		require.True(r, e.wasAbandoned())
	})
}

// TestRun_StillRuns: nothing is known of a run that is not over, even if it was asked for.
func TestRun_StillRuns(t *testing.T) {
	rested(t, []string{"worker actor", "run a: 3s ok", "publish a", "wait 1s"}, func(r atRest) {
		e := r.job("a")
		require.Zero(r, e.facts(0))
		require.Zero(r, endOf(e).Outcome)
		status, reason := e.ended()
		require.Zero(r, status)
		require.NoError(r, reason)
		r.do("wait 3s")
		require.Equal(r, task.OK, endOf(e).Outcome)
	})
}

// TestRun_StoppedByItsWorker: a task that a user's worker stops for its timeout has timed out.
func TestRun_StoppedByItsWorker(t *testing.T) {
	rested(t, []string{"worker actor", "run a: hang", "publish a", "wait 1s"}, func(r atRest) {
		e := r.job("a")
		e.currentTask().Stop(task.ErrTimeout, time.Second)
		r.do("wait 1s")
		require.Equal(r, task.Timeout, endOf(e).Outcome)
	})
}

// TestEntry_Note: a cause counts if it stopped the run, and is the job's own or a timeout.
func TestEntry_Note(t *testing.T) {
	for name, c := range map[string]struct {
		own, cause error
		status     task.Status
		want       facts
	}{
		"cancelled":                    {ErrCancelled, ErrCancelled, task.Exit, factCancelled},
		"by its worker, for a timeout": {nil, task.ErrTimeout, task.Exit, factTimedOut},
		"by its worker, like a cancel": {nil, ErrCancelled, task.Exit, 0},
		"cancelled after a timeout":    {ErrCancelled, task.ErrTimeout, task.Exit, factTimedOut},
		"not at all":                   {nil, nil, task.Exit, 0},
		"too late":                     {ErrCancelled, nil, task.Exit, 0},
		"it returned a value":          {ErrCancelled, ErrCancelled, task.OK, 0},
		"it returned a value in time":  {nil, task.ErrTimeout, task.OK, 0},
	} {
		e := madeUp(t, queue.Delivery{})
		e.cause = c.own
		e.note(&task.Outcome[any]{Status: c.status, Cause: c.cause, Ending: task.Returned})
		require.Equal(t, c.want, e.facts(task.Exit), name)
	}
}

// TestEntry_Owns: an outcome that somebody made up is not the job's.
func TestEntry_Owns(t *testing.T) {
	rested(t, []string{"run a: hang", "publish a"}, func(r atRest) {
		mine := r.job("a").currentTask()
		require.True(r, r.job("a").owns(mine))
		require.False(r, r.job("a").owns(nil))
		require.False(r, r.job("a").owns(&task.Task[any]{}))
		require.False(r, madeUp(t, queue.Delivery{}).owns(nil), "before it has one")
	})
}

// TestCrash_AfterAbandoned: a worker is not restarted after it has left a task behind, which may
// still run.
func TestCrash_AfterAbandoned(t *testing.T) {
	script := []string{"worker actor", "actor a: run 3s panic boom; run", "handle a: ignore", "run a: deaf 1m", "publish a", "wait 1s"}
	rested(t, script, func(r atRest) {
		r.job("a").currentTask().Stop(errStale, time.Second)
		r.do("wait 2500ms")
		require.Equal(r, 1, r.seen("worker a panics"))
		require.Equal(r, 1, r.seen("worker a starts"))
		require.Equal(r, 1, r.seen("event done a: requeue"))
	})
}

// TestCrash_AfterItsTask: a worker that crashes after its task has ended is restarted. If the task
// is left behind, it is not.
func TestCrash_AfterItsTask(t *testing.T) {
	for run, starts := range map[string]int{"2s ok": 2, "deaf 1m": 1} {
		script := []string{
			"worker actor", "set Grace 1s", "actor a: run 1s panic boom; 1h run", "handle a: ignore", "run a: " + run,
			"publish a", "wait 2100ms",
		}
		rested(t, script, func(r atRest) {
			require.Equal(r, 1, r.seen("worker a panics"), run)
			require.Equal(r, starts, r.seen("worker a starts"), run)
		})
	}
	script := []string{"worker actor", "actor a: run 1s panic boom; 1h run", "handle a: ignore", "publish a", "wait 2s"}
	rested(t, script, func(r atRest) {
		require.Equal(r, 2, r.seen("worker a starts"))
		require.Zero(r, r.seen("event done a"), "its task had ended before")
	})
}

// TestCrash_OverMeanwhile: a worker that waits for its restart is not restarted if its job is
// settled or stopped meanwhile.
func TestCrash_OverMeanwhile(t *testing.T) {
	for name, end := range map[string]func(*entry){
		"settled": func(e *entry) { _ = e.settle(Ack(), nil) },
		"stopped": func(e *entry) { e.stop(ErrCancelled) },
		"neither": func(*entry) {},
	} {
		script := []string{
			"worker actor", "set Restarts 1", "actor a: 6s panic one; 6s panic two; run", "publish a", "wait 12050ms",
		}
		rested(t, script, func(r atRest) {
			end(r.job("a"))
			r.do("wait 1s")
			require.Equal(r, name == "neither", r.seen("worker a starts") == 3, name)
			require.Zero(r, r.ledger.busy.Len(), name)
		})
	}
}

// TestJob_Backoff: a rule applies to how the job itself ended, for workers of both kinds. Without
// an end there is none.
func TestJob_Backoff(t *testing.T) {
	const plain, failed = 750 * time.Millisecond, 9 * time.Second
	rules := []Rule{
		{When: WhenPanic, Backoff: ConstantBackoff(7 * time.Second)},
		{When: WhenErrorIs(task.ErrTimeout), Backoff: ConstantBackoff(8 * time.Second)},
		{When: WhenFailed, Backoff: ConstantBackoff(failed)}, // matches anything
	}
	for script, want := range map[string]time.Duration{
		"panic boom": 7 * time.Second,
		"error boom": failed,
		"ok":         plain,
	} {
		rested(t, []string{"worker actor", "handle a: ignore", "run a: " + script}, func(r atRest) {
			r.cfg.Retry.Rules = rules
			r.do("publish a")
			require.Equal(r, want, Job[any]{entry: r.job("a")}.Backoff(), script)
		})
	}
	rested(t, []string{"start"}, func(r atRest) {
		e := r.delivery(r.ledger.session.link, queue.Delivery{Attempt: 1})
		settings := *e.cfg
		settings.Retry.Rules = rules
		e.cfg = &settings
		require.Equal(r, plain, Job[any]{entry: e}.Backoff())
		e.heard(&task.Outcome[any]{Status: task.Timeout})
		require.Equal(r, 8*time.Second, Job[any]{entry: e}.Backoff(), "its time is over")
		e.heard(&task.Outcome[any]{Status: task.Exit})
		require.Equal(r, failed, Job[any]{entry: e}.Backoff(), "it was stopped before it began")
		r.ran(e, func(context.Context) (any, error) {
			return nil, errors.Join(errStale, actor.Recovered("another task's", false))
		})
		require.Equal(r, failed, Job[any]{entry: e}.Backoff(), "it did not panic itself")
	})
}

// TestFailure: Policy.Failure is asked about errors only, and only for a policy that counts them. A
// call that fails changes nothing, and is logged.
func TestFailure(t *testing.T) {
	on := []string{"set Policy.Breaker.FailureRate 1", "set Policy.Breaker.MinRuns 2"}
	for name, c := range map[string]struct {
		script       []string
		calls, opens int
	}{
		"no policy counts": {[]string{"run a: error x", "run b: error x"}, 0, 0},
		"values":           {on, 0, 0},
		"errors":           {append([]string{"run a: error x", "run b: error x"}, on...), 2, 1},
	} {
		rested(t, c.script, func(r atRest) {
			text, calls := r.logged(), 0
			r.cfg.Policy.Failure = func(error) bool {
				calls++
				panic("in Failure")
			}
			r.do("publish a b", "wait 100ms")
			require.Equal(r, c.calls, calls, name)
			require.Equal(r, c.opens, r.seen("event breaker opened"), name)
			require.Equal(r, c.calls > 0, strings.Contains(text.String(), "Policy.Failure failed"), name)
		})
	}
}

// TestDedup_AskedAgain: the store is asked once more if the job was settled during the lookup. A
// job that was run and given back needs no lookup. A lookup that was stopped has not failed.
func TestDedup_AskedAgain(t *testing.T) {
	rested(t, []string{"store 1s", "died a", "start", "wait 500ms"}, func(r atRest) {
		require.NoError(r, r.job("a").settle(Requeue(0), nil))
		r.do("wait 5s")
		require.Equal(r, 2, r.seen("store: is a done?"))
		require.Equal(r, 1, r.q.Stats().Acked)
	})
	rested(t, []string{"store 1s", "died a", "run a: error x; ok", "start", "wait 5s"}, func(r atRest) {
		require.Equal(r, 1, r.seen("store: is a done?"))
		require.Equal(r, 1, r.q.Stats().Acked)
	})
	rested(t, []string{"store 1s", "died a", "start", "wait 500ms", "cancel a", "wait 1s"}, func(r atRest) {
		require.Equal(r, 1, r.seen("store: is a done?"))
		require.Zero(r, r.seen("event dedup failed"))
		require.Equal(r, 1, r.q.Stats().Acked, "it ran, and returned a value all the same")
	})
}

// TestDedup_Remembered: the store learns of each job that has returned a value and is acknowledged,
// even if its session is lost, and of no other.
func TestDedup_Remembered(t *testing.T) {
	for name, c := range map[string]struct {
		script []string
		saved  int
	}{
		"a value":            {[]string{"publish a"}, 1},
		"while it runs":      {[]string{"run a: settle ok", "publish a"}, 0},
		"an error":           {[]string{"run a: error x", "handle a: ack", "publish a"}, 0},
		"a duplicate":        {[]string{"publish a", "lose session"}, 1},
		"of a session lost":  {[]string{"set FinishLost true", "run a: 2s ok", "publish a", "wait 1s", "lose session"}, 1},
		"lost in the lookup": {[]string{"set FinishLost true", "died a", "start", "wait 500ms", "lose session"}, 1},
	} {
		rested(t, append([]string{"store 1s"}, c.script...), func(r atRest) {
			r.do("wait 20s")
			require.Equal(r, c.saved, r.seen("store: a is done\n"), name)
			require.Equal(r, 1, r.q.Stats().Acked, name)
		})
	}
}

// TestMayBeDone: a job may be done if a delivery of its message was lost, and not if it was given
// back on purpose, by a copy.
func TestMayBeDone(t *testing.T) {
	for name, c := range map[string]struct {
		used        string
		attempt     int
		redelivered bool
		want        bool
	}{
		"the first delivery":           {attempt: 1},
		"a later attempt":              {attempt: 2},
		"a redelivery":                 {attempt: 2, redelivered: true, want: true},
		"a redelivery without a count": {attempt: 1, redelivered: true, want: true},
		"a copy":                       {used: "2", attempt: 3, redelivered: true},
		"a redelivery of a copy":       {used: "2", attempt: 4, redelivered: true, want: true},
		"a copy that is no redelivery": {used: "2", attempt: 4},
	} {
		d := queue.Delivery{Attempt: c.attempt, Redelivered: c.redelivered}
		if c.used != "" {
			d.Headers = map[string]string{queue.HeaderAttempts: c.used}
		}
		require.Equal(t, c.want, madeUp(t, d).mayBeDone(), name)
	}
}

// TestSignal: the runs of a user's worker count for the policies as others do. A payload that can't
// be decoded is no run.
func TestSignal(t *testing.T) {
	rested(t, []string{"worker actor", "actor a: idle", "publish a"}, func(r atRest) {
		e := r.job("a")
		require.Equal(r, breaker.Nothing, e.signal())
		r.ran(e, func(context.Context) (any, error) { return nil, errStale })
		require.Equal(r, breaker.Bad, e.signal())
		r.ran(e, func(context.Context) (any, error) { return 1, nil })
		require.Equal(r, breaker.Good, e.signal())
	})
	script := []string{"worker actor", "set Policy.Breaker.FailureRate 1", "set Policy.Breaker.MinRuns 1", "publish a undecodable"}
	rested(t, script, func(r atRest) {
		require.Equal(r, 1, r.seen("event done a: dead letter"))
		require.Zero(r, r.seen("event breaker opened"))
	})
}
