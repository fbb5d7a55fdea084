package gentask

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/task"
)

// TestOrphan_SupervisorLost: a task that waits to be followed by a restart of its worker frees its
// slot if the supervisor is lost meanwhile.
func TestOrphan_SupervisorLost(t *testing.T) {
	script := []string{
		"worker actor", "set Grace 1m", "run a: deaf 10s", "actor a: run 1s panic boom; run",
		"publish a", "wait 2s", "kill workers", "wait 5s",
	}
	rested(t, script, func(r atRest) {
		require.Equal(r, 1, r.ledger.busy.Len(), "its task still runs")
		r.do("wait 10s")
		require.Zero(r, r.ledger.busy.Len())
		require.Equal(r, 1, r.q.Stats().Acked)
	})
}

// TestOrphan_Restarted: the end of the first task is no call of HandleResult: a second run may take
// as long as it wants.
func TestOrphan_Restarted(t *testing.T) {
	script := []string{
		"worker actor", "set Grace 1m", "run a: deaf 3s; 15s ok", "actor a: run 1s panic boom; run", "publish a", "wait 30s",
	}
	rested(t, script, func(r atRest) {
		require.Zero(r, r.seen("event healed"))
		require.Equal(r, 1, r.q.Stats().Acked)
	})
}

// TestOrphan_Outcome: what is known of a run whose worker was lost is how it ended.
func TestOrphan_Outcome(t *testing.T) {
	for name, c := range map[string]struct {
		script []string
		want   task.Status
		took   time.Duration
	}{
		"it was stopped": {[]string{"run a: hang", "publish a", "wait 2s", "kill worker a"}, task.Exit, 2 * time.Second},
		"it returned a value after its worker had extended it": {
			[]string{"set Timeout 1s", "handle a: extend 9s", "run a: deaf 4s", "publish a", "wait 2s", "kill worker a"},
			task.OK, 4 * time.Second,
		},
		"it returned a value after its time": {
			[]string{"worker actor", "set Timeout 2s", "run a: hang ok", "handle a: ignore", "publish a", "wait 2s"},
			task.OK, 4500 * time.Millisecond,
		},
		"it was stopped after its time": {
			[]string{"worker actor", "set Timeout 2s", "run a: hang", "handle a: ignore", "publish a", "wait 2s"},
			task.Timeout, 4500 * time.Millisecond,
		},
	} {
		rested(t, c.script[:len(c.script)-1], func(r atRest) {
			e := r.job("a")
			r.do(c.script[len(c.script)-1], "wait 3s")
			require.False(r, e.busy(), name)
			require.Equal(r, c.want, endOf(e).Outcome, name)
			require.Equal(r, c.took, endOf(e).RunTime.Round(time.Millisecond), name)
		})
	}
}

// TestOrphan_Forged: an outcome that is not the end of an orphan changes nothing.
func TestOrphan_Forged(t *testing.T) {
	rested(t, []string{"set Grace 1m", "run a: deaf 9s", "publish a"}, func(r atRest) {
		e := r.job("a")
		of := e.currentTask()
		forged := func(o task.Outcome[any]) {
			r.inTurn(func(l *ledger) { l.onOrphanEnded(&o) })
			require.True(r, e.busy())
		}
		forged(task.Outcome[any]{Status: task.OK})
		forged(task.Outcome[any]{Status: task.OK, Task: of})
		require.False(r, e.decided(), "it has its worker")
		r.do("kill worker a")
		forged(task.Outcome[any]{Status: task.Timeout, Task: of})
		r.do("wait 10s")
		require.False(r, e.busy())
	})
}

func TestWorkerLost(t *testing.T) {
	require.Equal(t, ErrWorkerLost, workerLost(nil))
	require.ErrorIs(t, workerLost(errStale), errStale)
	require.ErrorIs(t, workerLost(errStale), ErrWorkerLost)
}

// TestReplace: a supervisor that is replaced is killed. One that can't end, because a worker of its
// own never returns, does not hold up the end of the consumer.
func TestReplace(t *testing.T) {
	for _, blocks := range []bool{false, true} {
		rested(t, []string{"worker actor", "set DrainTimeout 1s", "set Grace 1s", "actor a: block", "start"}, func(r atRest) {
			if blocks {
				r.do("publish a")
			}
			old := r.ledger.workers.supervisor
			require.NoError(r, r.ask(simTurn(func(ctx actor.Context, l *ledger) { l.workers.replace(ctx) })))
			r.do("wait 1s")
			require.NotEqual(r, old, r.ledger.workers.supervisor)
			require.Equal(r, blocks, actor.Alive(r.sys, old))
			r.do("stop", "wait 1m")
			require.True(r, r.over())
		})
	}
}
