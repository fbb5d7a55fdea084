package gentask

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// madeUp returns the entry of a delivery that no consumer holds.
func madeUp(t *testing.T, d queue.Delivery) *entry {
	t.Helper()
	cfg, err := Config{}.settings()
	require.NoError(t, err)
	return newEntry(&d, nil, nil, cfg)
}

// TestEntry_Settlement: the driver gets a reason only for the copies that carry one, and a stack
// only for a dead letter. Attempts that the consumer does not count are uncounted.
func TestEntry_Settlement(t *testing.T) {
	reason := actor.Recovered("boom", false)
	for name, c := range map[string]struct {
		d             Decision
		text, stacked bool
		attempt       int
		uncounted     int
	}{
		"ack":                {d: Ack(), attempt: 3},
		"release":            {d: Release(), attempt: 3},
		"requeue":            {d: Requeue(0), text: true, attempt: 3},
		"dead letter":        {d: DeadLetter(nil), text: true, stacked: true, attempt: 3},
		"run again in place": {d: Ack(), attempt: 4},
		"returned before":    {d: Ack(), attempt: 1, uncounted: 2},
	} {
		e := madeUp(t, queue.Delivery{Attempt: 3})
		e.item.Attempt = c.attempt
		e.decision, e.reason = c.d, reason
		s := e.settlement()
		require.Equal(t, c.text, s.Reason != "", name)
		require.Equal(t, c.stacked, s.Evidence != nil, name)
		require.Equal(t, c.attempt, s.Attempt, name)
		require.Equal(t, c.uncounted, s.Uncounted, name)
		e.reason = nil
		require.Empty(t, e.settlement().Reason, name)
	}
}

// TestEntry_AttemptsOfCopy: the header may have been written by any program.
func TestEntry_AttemptsOfCopy(t *testing.T) {
	for text, used := range map[string]int{
		"0": 0, "3": 3, "-3": 0, "": 0, "many": 0, "99999999999999999999": maxUsed, "-99999999999999999999": 0,
	} {
		d := queue.Delivery{Message: queue.Message{Headers: map[string]string{queue.HeaderAttempts: text}}}
		require.Equal(t, used, madeUp(t, d).attemptsOfCopy(), text)
	}
	require.Zero(t, madeUp(t, queue.Delivery{}).attemptsOfCopy())
}

// TestEntry_QueueTime runs from the publishing of a message, or from its receipt if that is not
// known, to its slot. Clocks may differ.
func TestEntry_QueueTime(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		published time.Time
		want      time.Duration
	}{
		"published before": {now.Add(-time.Hour), time.Hour + time.Second},
		"unknown":          {time.Time{}, time.Second},
		"in the future":    {now.Add(time.Hour), 0},
	} {
		e := madeUp(t, queue.Delivery{Message: queue.Message{Time: c.published}})
		e.received = now
		require.Zero(t, e.queueTime(), "%s: it waits", name)
		e.start(now.Add(time.Second))
		require.Equal(t, c.want, e.queueTime(), name)
	}
}

// TestEntry_HandleHangs: a HandleResult that has returned does not hang, though its job goes on.
func TestEntry_HandleHangs(t *testing.T) {
	script := []string{"set Timeout 1s", "run a: 15s ok", "handle a: extend 20s", "publish a", "wait 20s"}
	rested(t, script, func(r atRest) {
		require.Zero(r, r.seen("event healed"))
		require.Equal(r, 1, r.q.Stats().Acked)
	})
}

// TestEntry_HandleHangs_WorkerEnded: one that panicked does not hang either, though the ledger does
// not know yet that its worker has ended.
func TestEntry_HandleHangs_WorkerEnded(t *testing.T) {
	rested(t, []string{"start"}, func(r atRest) {
		e := r.delivery(r.ledger.session.link, queue.Delivery{})
		e.heard(&task.Outcome[any]{Status: task.OK})
		e.workerEnded()
		hung := r.consumer.cfg.hooks.handle.Hung
		require.False(r, e.handleHangs(time.Now().Add(time.Hour)))
		require.Zero(r, hung())
		e.heard(&task.Outcome[any]{Status: task.OK})
		require.True(r, e.handleHangs(time.Now().Add(time.Hour)))
		require.False(r, e.handleHangs(time.Now().Add(2*time.Hour)), "it is counted once")
		require.Equal(r, 1, hung())
		e.workerEnded()
		require.Zero(r, hung())
	})
}

// TestIdle_Settled: a worker that has settled may take its time to end, from then on. Its job has
// not timed out.
func TestIdle_Settled(t *testing.T) {
	rested(t, []string{"worker actor", "set Timeout 5s", "actor a: idle", "publish a", "wait 4s"}, func(r atRest) {
		e := r.job("a")
		require.NoError(r, e.settle(Ack(), nil))
		r.do("wait 4s")
		require.True(r, e.busy())
		r.do("wait 2s")
		require.False(r, e.busy())
		status, _ := e.ended()
		require.Zero(r, status, "it ran no task")
		require.Equal(r, 1, r.seen("event done a: ack"))
	})
}

// TestIdle_Stopped: an idle worker whose job was stopped has the grace, from then on.
func TestIdle_Stopped(t *testing.T) {
	script := []string{"worker actor", "set Grace 3s", "actor a: idle", "publish a", "wait 10s"}
	rested(t, script, func(r atRest) {
		e := r.job("a")
		e.stop(ErrCancelled)
		r.do("wait 2s")
		require.True(r, e.busy())
		r.do("wait 2s")
		require.False(r, e.busy())
		require.Equal(r, 1, r.seen("event done a: dead letter"))
	})
}

// TestIdle_AfterItsTask: a worker whose task has ended has its time from then on. Its job has timed
// out then, however the task has ended.
func TestIdle_AfterItsTask(t *testing.T) {
	script := []string{
		"worker actor", "set Timeout 5s", "run a: 2s ok", "actor a: 2s run", "handle a: ignore", "publish a", "wait 8s",
	}
	rested(t, script, func(r atRest) {
		e := r.job("a")
		require.True(r, e.busy())
		r.do("wait 2s")
		require.False(r, e.busy())
		require.Equal(r, task.Timeout, endOf(e).Outcome)
	})
}

// TestIdle_InTheQueue: the time before its slot does not count.
func TestIdle_InTheQueue(t *testing.T) {
	script := []string{
		"worker actor", "set Timeout 5s", "set Prefetch 2", "run a: 4s ok", "actor b: idle", "publish a b", "wait 7s",
	}
	rested(t, script, func(r atRest) {
		e := r.job("b")
		require.Less(r, e.received, e.startedAt())
		require.True(r, e.busy())
		r.do("wait 3s")
		require.False(r, e.busy())
	})
}

// TestIdle_NotSpawned: a worker that its supervisor has not started yet is not idle.
func TestIdle_NotSpawned(t *testing.T) {
	rested(t, []string{"worker actor", "set Timeout 1s", "start"}, func(r atRest) {
		r.ledger.workers.supervisor = &actor.PID{Address: r.sys.Address(), Id: "nobody"}
		r.do("publish a", "wait 4s")
		require.True(r, r.job("a").busy())
		r.do("wait 4s")
		require.Zero(r, r.seen("event done a: requeue"), "it costs no attempt")
		require.Equal(r, 1, r.q.Stats().Acked)
	})
}

// TestIdle_TaskInItsGrace: a worker that has not answered the timeout of its task is not idle any
// more when the job is stopped. It gets the outcome.
func TestIdle_TaskInItsGrace(t *testing.T) {
	script := []string{
		"worker actor", "set Timeout 5s", "set Grace 1m", "run a: deaf 20s", "handle a: ignore; default",
		"publish a", "wait 6s", "cancel a", "wait 10s",
	}
	rested(t, script, func(r atRest) {
		require.True(r, actor.Alive(r.sys, r.job("a").workerPID()))
		r.do("wait 10s")
		require.Equal(r, 2, r.seen("worker a gets its outcome"))
	})
}
