package scenario_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// TestScenario16_Drain: the broker is told to send no more, the unstarted go back at once and
// without costing an attempt, the running ones finish, and their acks are flushed before the
// session is closed.
func TestScenario16_Drain(t *testing.T) {
	for name, faults := range map[string]memory.Faults{
		"Plain":            {},
		"SomeWereOnTheWay": {Late: 3},
		"SlowBroker":       {SlowSettle: 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			rig.MemoryWith(memory.Config{Faults: faults}).Run(t, drainRunning)
		})
	}
}

func drainRunning(r *rig.Rig) {
	const jobs, prefetch, concurrency, work = 40, 20, 5, 10 * time.Second
	r.Publish(jobs)
	c := r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, work) }),
		gentask.Config{Concurrency: concurrency, Prefetch: prefetch})
	r.Eventually("the prefetch is full", func() bool { return r.Memory.Stats().Held == prefetch })
	time.Sleep(time.Second)

	stopped := time.Now()
	report := r.Stop(c)
	require.Equal(r, gentask.DrainReport{Finished: concurrency, Returned: prefetch - concurrency}, report)
	require.Less(r, time.Since(stopped), work)
	require.Equal(r, concurrency, r.Runs.Total(), "nothing new was started")

	journal := r.Memory.Journal()
	releases, acks := 0, 0
	for _, e := range journal {
		if e.Op != memory.Settled {
			continue
		}
		switch e.Disposition { //nolint:exhaustive // the others are not to be
		case queue.Release:
			releases++
			require.Less(r, e.Time.Sub(stopped), time.Second, "unstarted jobs go back at once")
		case queue.Ack:
			acks++
		default:
			r.Fatalf("unexpected: %+v", e)
		}
	}
	require.Equal(r, prefetch-concurrency, releases)
	require.Equal(r, concurrency, acks)
	require.Equal(r, memory.Closed, journal[len(journal)-1].Op, "the session is closed last")
	for _, ev := range r.Events(gentask.EventDone) {
		require.Equal(r, 1, ev.Attempt)
	}
	r.Start(r.Handle(func(ctx context.Context, _ string) error {
		job, _ := gentask.FromContext(ctx)
		require.Equal(r, 1, job.Attempt(), "a release costs no attempt")
		return nil
	}), gentask.Config{Name: "next"})
	r.Finish()
}

// TestScenario16_PastTheDeadline: a job that takes longer is cancelled, goes back without costing
// an attempt, and is named in the report; if it doesn't even return within the grace, so is that.
func TestScenario16_PastTheDeadline(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Unfinished = true
		release := make(chan struct{})
		defer close(release)
		r.Publish(3)
		c := r.Start(r.Handle(func(ctx context.Context, id string) error {
			switch id {
			case "1":
				return rig.Pause(ctx, time.Second)
			case "2":
				<-ctx.Done()
				require.ErrorIs(r, context.Cause(ctx), gentask.ErrDrained)
				return ctx.Err()
			}
			<-release
			return nil
		}), gentask.Config{Concurrency: 3, Timeout: -1, DrainTimeout: 5 * time.Second, Grace: 2 * time.Second})
		r.Eventually("they run", func() bool { return r.Runs.Now() == 3 })
		began := time.Now()
		report := r.Stop(c)
		slices.Sort(report.Cancelled)
		require.Equal(r, gentask.DrainReport{Finished: 1, Returned: 2, Cancelled: []string{"2", "3"}, Abandoned: []string{"3"}}, report)
		require.InDelta(r, 7*time.Second, time.Since(began), float64(50*time.Millisecond))
		s := r.Memory.Stats()
		require.Equal(r, 2, s.Released)
		require.Equal(r, 1, s.Acked)
		require.Zero(r, s.Returned)
	})
}

// TestScenario16_StopsContextBoundsTheDrain: it may leave less than DrainTimeout, and then leaves
// enough of itself for the grace.
func TestScenario16_StopsContextBoundsTheDrain(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(1)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, time.Hour) }),
			gentask.Config{Timeout: -1, DrainTimeout: time.Hour, Grace: time.Second})
		r.Eventually("it runs", func() bool { return r.Runs.Now() == 1 })
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		report, err := c.Stop(ctx)
		require.NoError(r, err)
		require.Equal(r, []string{"1"}, report.Cancelled)
		require.InDelta(r, 4*time.Second, time.Since(began), float64(50*time.Millisecond))
	})
}

// TestScenario16_WhileTheBrokerIsGone: a drain ends without a session too, and the report has what
// was lost.
func TestScenario16_WhileTheBrokerIsGone(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(4)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, 10*time.Second) }),
			gentask.Config{Concurrency: 2, Prefetch: 4, FinishLost: true})
		r.Eventually("they run", func() bool { return r.Runs.Now() == 2 })
		r.Memory.SetFaults(memory.Faults{RefuseOpen: memory.Times(-1)})
		r.Break()
		r.Rest()
		began := time.Now()
		report := r.Stop(c)
		require.Equal(r, gentask.DrainReport{}, report, "what was lost was lost before")
		require.InDelta(r, 10*time.Second, time.Since(began), float64(50*time.Millisecond), "what runs may finish")
		require.Equal(r, 4, r.Memory.Stats().Returned)
	})
}

// TestScenario16_CutShort: if a part dies while the consumer drains, or the session is lost, Stop
// returns, and the report has what was lost.
func TestScenario16_CutShort(t *testing.T) {
	for victim, want := range map[string]gentask.DrainReport{
		"ledger":  {Returned: 3, Lost: 5},
		"tasks":   {Returned: 3, Lost: 5},
		"workers": {Returned: 3, Finished: 5}, // they are settled without their workers
		"gentask": {Returned: 3, Finished: 5}, // the tree's own stop is a drain, too
		"session": {Returned: 3, Lost: 5},
	} {
		t.Run(victim, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Allow.Crashes, r.Allow.GaveUp = victim != "session", victim == "gentask"
				r.Publish(10)
				behavior := r.Handle
				if victim == "workers" {
					behavior = r.Actors
				}
				c := r.Start(behavior(func(ctx context.Context, _ string) error { return rig.Pause(ctx, 10*time.Second) }),
					gentask.Config{Concurrency: 5, Prefetch: 8})
				r.Eventually("five run", func() bool { return r.Runs.Now() == 5 && r.Memory.Stats().Held == 8 })
				stopped := make(chan gentask.DrainReport, 1)
				go func() {
					report, _ := c.Stop(context.WithoutCancel(r.Context()))
					stopped <- report
				}()
				r.Rest()
				time.Sleep(time.Second)
				if victim == "session" {
					r.Break()
				} else {
					r.Kill(victim)
				}
				report := <-stopped
				if victim == "tasks" { // some may be told in time
					report.Lost, report.Finished = report.Lost+report.Finished, 0
				}
				require.Equal(r, want, report)
				require.Equal(r, gentask.Stopped, c.Health().State)
			})
		})
	}
}

// TestScenario16_BrokerTakesNoSettlement: the drain does not wait for ever, and the report has what
// was lost.
func TestScenario16_BrokerTakesNoSettlement(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Memory.SetFaults(memory.Faults{FailSettle: memory.Times(-1)})
		r.Publish(1)
		c := r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{DrainTimeout: time.Second, Grace: time.Second})
		r.Eventually("a settlement has failed", func() bool { return len(r.Events(gentask.EventSettleFailed)) > 0 })
		require.ErrorIs(r, c.Health().Error, memory.ErrRefused)
		require.Equal(r, gentask.DrainReport{Lost: 1}, r.Stop(c))
		kinds := make([]string, 0, 4)
		for _, ev := range r.Events(gentask.EventReceived, gentask.EventDone, gentask.EventDraining, gentask.EventDrained) {
			kinds = append(kinds, ev.Kind.String())
		}
		require.Equal(r, "received draining done drained", strings.Join(kinds, " "))
	})
}
