package scenario_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/internal/rig/promises"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// deaf is a task that does not stop until it is released.
type deaf struct{ release chan struct{} }

func newDeaf() *deaf { return &deaf{release: make(chan struct{})} }

func (d *deaf) sleep() { <-d.release }

// listen is a worker whose jobs named in deafs do not stop. It keeps the outcomes that HandleResult
// gets of them.
type listen struct {
	deafs map[string]*deaf
	takes time.Duration // of the others

	mu    sync.Mutex
	heard map[string][]task.Outcome[string]
}

func (l *listen) Run(ctx context.Context, _ []byte) (string, error) {
	job, _ := gentask.FromContext(ctx)
	if d := l.deafs[job.ID()]; d != nil {
		d.sleep()
		return "too late", nil
	}
	return "in time", rig.Pause(ctx, l.takes)
}

func (l *listen) HandleResult(job gentask.Job[[]byte], o task.Outcome[string]) gentask.Decision {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.heard == nil {
		l.heard = map[string][]task.Outcome[string]{}
	}
	l.heard[job.ID()] = append(l.heard[job.ID()], o)
	if o.Status == task.OK {
		return gentask.Ack()
	}
	return gentask.DeadLetter(o.Reason)
}

func (l *listen) of(id string) []task.Outcome[string] {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heard[id]
}

// TestScenario05_TheTaskThatWillNotStop: its worker gets the timeout, its slot is free after the
// grace, and it is seen until it returns.
func TestScenario05_TheTaskThatWillNotStop(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		d := newDeaf()
		l := &listen{deafs: map[string]*deaf{"1": d}}
		r.Publish(3)
		begin := time.Now()
		c := r.Start(gentask.Work(l), gentask.Config{Concurrency: 1, MaxAbandoned: 2, Timeout: time.Second, Grace: time.Second})
		r.Finish()
		require.Equal(r, 2*time.Second, time.Since(begin), "timeout and grace, and not a moment more")

		require.Len(r, l.of("1"), 1, "HandleResult hears of it once")
		require.Equal(r, task.Timeout, l.of("1")[0].Status)
		require.Equal(r, task.OK, l.of("3")[0].Status, "the slot is free")
		end := eventOf(r, "1") // a dead letter may be settled later than the acks behind it
		require.Equal(r, queue.DeadLetter, end.Disposition)
		require.Equal(r, task.Timeout, end.Outcome)

		require.Equal(r, 1, c.Health().Abandoned)
		require.Contains(r, l.of("1")[0].Task.Stack(), "(*deaf).sleep")
		tasks, err := c.Tasks(r.Context())
		require.NoError(r, err)
		require.Len(r, tasks, 1)
		require.Equal(r, "1", tasks[0].Name)
		require.True(r, tasks[0].Abandoned)
		require.Contains(r, tasks[0].Stack, "(*deaf).sleep")
		require.Len(r, r.Events(gentask.EventAbandoned), 1)

		close(d.release)
		r.Eventually("it has returned", func() bool { return c.Health().Abandoned == 0 })
		require.Equal(r, 1, c.Health().Late, "its result is counted")
		require.Len(r, l.of("1"), 1, "and dropped")
	})
}

// TestScenario05_TheGraceRunsOnce: it begins with the first reason to stop. A second reason doesn't
// start it again.
func TestScenario05_TheGraceRunsOnce(t *testing.T) {
	for name, meanwhile := range map[string]func(r *rig.Rig){
		"session lost":  func(r *rig.Rig) { r.Break() },
		"worker killed": func(r *rig.Rig) { actor.Kill(r.System, promises.WorkerOf(r)) },
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				d := newDeaf()
				r.Publish(1)
				begin := time.Now()
				c := r.Start(gentask.Work(&listen{deafs: map[string]*deaf{"1": d}}), gentask.Config{Timeout: time.Second, Grace: 2 * time.Second})
				time.Sleep(2 * time.Second)
				meanwhile(r)
				r.Stop(c)
				require.Equal(r, 3*time.Second, time.Since(begin), "timeout and grace, and not a moment more")
				close(d.release)
			})
		})
	}
}

// TestScenario05_AtTheCapTheConsumerTakesNoWork until one of the tasks returns that were abandoned.
func TestScenario05_AtTheCapTheConsumerTakesNoWork(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		l := &listen{deafs: map[string]*deaf{"1": newDeaf(), "2": newDeaf()}, takes: time.Millisecond}
		r.Publish(6)
		c := r.Start(gentask.Work(l), gentask.Config{Concurrency: 2, Prefetch: 4, Timeout: time.Second, Grace: time.Second})
		r.Eventually("the cap is reached", func() bool { return c.Health().State == gentask.Saturated })
		require.False(r, c.Health().Healthy())
		require.Equal(r, 2, c.Health().Abandoned)
		r.Eventually("what was not started is given back to other nodes", func() bool { return c.Health().Held == 0 })
		before := r.Memory.Stats()
		require.Positive(r, before.Ready)
		time.Sleep(time.Minute)
		require.Equal(r, gentask.Saturated, c.Health().State)
		require.Equal(r, before, r.Memory.Stats(), "nothing is run")

		close(l.deafs["2"].release)
		r.Finish()
		require.True(r, c.Health().Healthy(), "it recovers by itself")
		require.Equal(r, 1, c.Health().Abandoned)
		for _, id := range []string{"3", "4", "5", "6"} {
			require.Equal(r, task.OK, l.of(id)[0].Status)
			require.Equal(r, 1, eventOf(r, id).Attempt, "a release costs no attempt")
		}
		close(l.deafs["1"].release)
	})
}

// eventOf waits for an end of the message, and returns the last.
func eventOf(r *rig.Rig, id string) gentask.Event {
	r.Helper()
	ends := promises.EndsOfMessage(r, id, 1)
	return ends[len(ends)-1]
}
