package gentask_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/task"
)

var ana = gentask.Author{By: "ana", Reason: "the provider is down"}

func by[T any](a gentask.Author, v T) gentask.Override[T] {
	return gentask.Override[T]{Value: v, Author: a}
}

// override sets o, which must be taken, and returns the changes as text.
func override(r *rig.Rig, c *gentask.Consumer, o gentask.Overrides) []string {
	r.Helper()
	changes, err := c.Override(r.Context(), o)
	require.NoError(r, err)
	var all []string
	for _, ch := range changes {
		text := fmt.Sprintf("%v %s: %s to %s by %s", ch.Kind, ch.ID, ch.From, ch.To, ch.Author.By)
		all = append(all, strings.Replace(text, " :", ":", 1))
	}
	return all
}

func sleeper(d time.Duration) func(context.Context, string) error {
	return func(ctx context.Context, _ string) error { return rig.Pause(ctx, d) }
}

// TestOverride_Paused: the consumer takes work only while neither the program nor the operator has
// paused it, over sessions, crashes and a new start.
func TestOverride_Paused(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes = true
		paused := gentask.Overrides{Paused: by(ana, true)}
		c := r.New(r.Handle(sleeper(time.Second)), gentask.Config{Concurrency: 2})
		require.Empty(r, override(r, c, paused), "it does not run")
		require.Equal(r, paused, c.Health().Overrides)
		require.NoError(r, c.Start())
		idle := func(why string) {
			r.Helper()
			time.Sleep(time.Minute)
			require.Equal(r, gentask.Paused, c.Health().State, why)
			require.Zero(r, r.Runs.Total(), why)
		}
		r.Publish(100)
		idle("set before the start")
		require.NoError(r, c.Resume(r.Context()))
		idle("Resume is for the program's own pause")
		r.Break()
		idle("another session")
		r.Kill("ledger")
		idle("another ledger")
		require.NoError(r, c.Pause(r.Context()))
		require.Equal(r, []string{"paused: on to off by bob"},
			override(r, c, gentask.Overrides{Paused: by(gentask.Author{By: "bob"}, false)}))
		idle("the program's own pause")
		require.Empty(r, override(r, c, gentask.Overrides{}), "no change")
		override(r, c, paused)
		require.NoError(r, c.Resume(r.Context()))
		idle("overridden again")
		r.Stop(c)
		require.NoError(r, c.Start())
		idle("another instance")
		override(r, c, gentask.Overrides{})
		r.Finish()
		require.Equal(r, 100, r.Runs.Total())
		kinds := []gentask.EventKind{}
		for _, ev := range r.Events(gentask.EventPaused, gentask.EventResumed) {
			kinds = append(kinds, ev.Kind)
		}
		require.Equal(r, []gentask.EventKind{gentask.EventPaused, gentask.EventPaused, gentask.EventResumed}, kinds,
			"once for each instance, and at the end")
	})
}

// TestOverride_Concurrency: the override counts, and what the program says counts when it is gone.
func TestOverride_Concurrency(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes = true
		r.Publish(2000)
		c := r.Start(r.Handle(sleeper(10*time.Second)), gentask.Config{Concurrency: 5, Prefetch: 20})
		running := func(n int) {
			r.Helper()
			time.Sleep(11 * time.Second)
			require.Equal(r, n, r.Runs.Now())
			require.Equal(r, n, c.Health().Concurrency)
		}
		running(5)
		require.Equal(r, []string{"concurrency: off to 20 by ana"},
			override(r, c, gentask.Overrides{Concurrency: by(ana, 20)}))
		r.Rest()
		require.Equal(r, 20, r.Runs.Now(), "at once")
		require.NoError(r, c.SetConcurrency(r.Context(), 3))
		running(20)
		r.Kill("ledger")
		running(20)
		override(r, c, gentask.Overrides{Concurrency: by(ana, 1)})
		running(1)
		require.Equal(r, []string{"concurrency: 1 to off by "}, override(r, c, gentask.Overrides{}))
		running(3)
		require.NoError(r, c.SetConcurrency(r.Context(), 20))
		r.Limit = time.Hour
		r.Finish()
	})
}

// TestOverride_CapsAdaptive: with a policy that finds the number, the override is the most.
func TestOverride_CapsAdaptive(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(2000)
		c := r.Start(r.Handle(sleeper(time.Second)), gentask.Config{
			Concurrency: 10, Prefetch: 50, Policy: gentask.Policy{Adaptive: gentask.Adaptive{Min: 2}},
		})
		override(r, c, gentask.Overrides{Concurrency: by(ana, 50)})
		time.Sleep(30 * time.Second)
		require.Greater(r, c.Health().Concurrency, 10)
		for _, most := range []int{4, 1} {
			override(r, c, gentask.Overrides{Concurrency: by(ana, most)})
			time.Sleep(30 * time.Second)
			require.Equal(r, most, c.Health().Concurrency)
			require.LessOrEqual(r, r.Runs.Now(), most)
		}
		override(r, c, gentask.Overrides{})
		time.Sleep(30 * time.Second)
		require.Equal(r, 10, c.Health().Concurrency)
		r.Limit = time.Hour
		r.Finish()
	})
}

// TestOverride_Rate: it adds a limit, replaces one, and lifts it.
func TestOverride_Rate(t *testing.T) {
	for _, configured := range []gentask.Rate{{}, {PerSecond: 5, Burst: 1}} {
		rig.Memory().Run(t, func(r *rig.Rig) {
			r.Allow.Crashes = true
			r.Publish(5000)
			c := r.Start(r.Handle(sleeper(10*time.Millisecond)), gentask.Config{
				Concurrency: 1, Policy: gentask.Policy{Rate: configured},
			})
			rate := func(want float64) {
				r.Helper()
				time.Sleep(time.Second) // a burst
				before := r.Runs.Total()
				time.Sleep(10 * time.Second)
				require.InDelta(r, 10*want, r.Runs.Total()-before, 2)
			}
			program := 100.
			if configured.PerSecond > 0 {
				program = configured.PerSecond
			}
			rate(program)
			require.Equal(r, configured, c.Health().Rate)
			slow := &gentask.Rate{PerSecond: 2, Burst: 1}
			override(r, c, gentask.Overrides{Rate: by(ana, slow)})
			slow.PerSecond = 1000 // it is not the consumer's
			rate(2)
			require.InDelta(r, 2, c.Health().Rate.PerSecond, 0)
			r.Kill("ledger")
			rate(2)
			require.Equal(r, []string{"rate: 2/s, burst 1 to no limit by ana"},
				override(r, c, gentask.Overrides{Rate: by(ana, &gentask.Rate{})}))
			rate(100)
			override(r, c, gentask.Overrides{})
			rate(program)
			require.NoError(r, c.SetRate(r.Context(), gentask.Rate{PerSecond: 50, Burst: 1}))
			rate(50)
			r.Limit = time.Hour
			r.Finish()
		})
	}
}

// TestOverride_BreakerOpen: nothing runs and nothing probes until it is released, with the policy
// and without it.
func TestOverride_BreakerOpen(t *testing.T) {
	for _, policy := range []gentask.Breaker{{}, {FailureRate: 0.5}} {
		rig.Memory().Run(t, func(r *rig.Rig) {
			r.Allow.Crashes = true
			c := r.Start(r.Handle(sleeper(time.Second)), gentask.Config{Policy: gentask.Policy{Breaker: policy}})
			override(r, c, gentask.Overrides{BreakerOpen: by(ana, true)})
			r.Publish(10)
			for _, then := range []func(){func() {}, r.Break, func() { r.Kill("ledger") }} {
				then()
				time.Sleep(5 * time.Minute)
				require.Equal(r, gentask.BreakerOpen, c.Health().State)
				require.Equal(r, []gentask.BreakerHealth{{Forced: true}}, c.Health().Breakers)
				require.Zero(r, r.Runs.Total())
				require.Zero(r, r.Memory.Stats().Held)
			}
			override(r, c, gentask.Overrides{})
			r.Finish()
			require.Empty(r, r.Events(gentask.EventBreakerOpened, gentask.EventBreakerProbing), "no run was the reason")
		})
	}
}

// TestOverride_BreakerReset: it closes what is open, once for each value, and a breaker that was
// forced open meanwhile is what it was.
func TestOverride_BreakerReset(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		down := true
		c := r.Start(r.Handle(func(context.Context, string) error {
			if down {
				return errDown
			}
			return nil
		}), gentask.Config{
			Retry: gentask.Retry{MaxAttempts: -1},
			Policy: gentask.Policy{
				Breaker:    gentask.Breaker{FailureRate: 0.5, MinRuns: 3, Wait: gentask.Backoff{Base: time.Hour, Max: time.Hour}},
				KeyBreaker: gentask.KeyBreaker{Key: gentask.KeyHeader("none"), Breaker: gentask.Breaker{FailureRate: 0.5}},
			},
		})
		opened := func() int { return len(r.Events(gentask.EventBreakerOpened)) }
		r.Publish(20)
		r.Eventually("it opens", func() bool { return opened() == 1 })
		override(r, c, gentask.Overrides{BreakerOpen: by(ana, true)})
		override(r, c, gentask.Overrides{})
		require.Equal(r, gentask.BreakerOpen, c.Health().State, "it is what its runs have made of it")
		require.Equal(r, []string{"breaker reset: off to 7 by ana"}, override(r, c, gentask.Overrides{BreakerReset: by(ana, uint64(7))}))
		r.Eventually("it opens again", func() bool { return opened() == 2 })
		override(r, c, gentask.Overrides{BreakerReset: by(ana, uint64(7)), Paused: by(ana, true)})
		override(r, c, gentask.Overrides{BreakerReset: by(ana, uint64(7))})
		require.Equal(r, gentask.BreakerOpen, c.Health().State, "once for each value")
		down = false
		override(r, c, gentask.Overrides{BreakerReset: by(ana, uint64(8))})
		require.Equal(r, gentask.Consuming, c.Health().State)
		r.Finish()
		require.Equal(r, 2, opened())
		require.Len(r, r.Events(gentask.EventBreakerClosed), 2)
	})
}

// TestOverride_Cancelled: what runs is cancelled, what waits or arrives later gets its cancellation
// instead of a run, and what was taken off the list before it got its slot runs.
func TestOverride_Cancelled(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes = true
		r.Allow.Logged = true // dead letters
		var heard []string
		c := r.Start(gentask.Work(&rig.Worker[string, struct{}]{
			OnRun: rig.Track(r.Runs, func(ctx context.Context, _ string) (struct{}, error) {
				return struct{}{}, rig.Pause(ctx, time.Minute)
			}),
			OnResult: func(job gentask.Job[string], o task.Outcome[struct{}]) gentask.Decision {
				if errors.Is(o.Reason, gentask.ErrCancelled) {
					heard = append(heard, job.ID())
				}
				return gentask.DefaultDecision(job, o)
			},
		}), gentask.Config{Concurrency: 1, Prefetch: 4, Timeout: -1})
		r.Publish(6) // 1 runs, 2 to 4 wait, 5 and 6 are at the broker
		r.Rest()
		all := map[string]gentask.Author{"1": ana, "2": ana, "3": ana, "5": ana, "9": ana}
		changes, err := c.Override(r.Context(), gentask.Overrides{Cancelled: all})
		require.NoError(r, err)
		jobs := map[string]int{}
		for _, ch := range changes {
			jobs[ch.ID] = ch.Jobs
		}
		require.Equal(r, map[string]int{"1": 1, "2": 1, "3": 1, "5": 0, "9": 0}, jobs)
		r.Publish(3) // 7 to 9
		r.Break()
		r.Kill("ledger")
		r.Limit = time.Hour
		r.Finish()
		slices.Sort(heard)
		require.Equal(r, []string{"1", "2", "3", "5", "9"}, slices.Compact(heard))
		for _, id := range []string{"2", "3", "5", "9"} {
			require.Zero(r, r.Runs.Of(id), id)
		}
		require.Equal(r, 5, r.Memory.Stats().DeadLettered)
		require.Len(r, r.Events(gentask.EventOverridden), 5, "a crash makes nothing new of them")
		delete(all, "9")
		require.Len(r, c.Health().Overrides.Cancelled, 5, "the map is not the consumer's")
		require.Equal(r, []string{"cancelled 9: on to off by ana"}, override(r, c, gentask.Overrides{Cancelled: all}))
	})
}

// TestOverride_CancelledIsUndone: an ID that leaves the list before the job has its slot changes
// nothing.
func TestOverride_CancelledIsUndone(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		c := r.Start(r.Handle(sleeper(time.Minute)), gentask.Config{Concurrency: 1, Prefetch: 4, Timeout: -1})
		r.Publish(3)
		r.Rest()
		override(r, c, gentask.Overrides{Cancelled: map[string]gentask.Author{"2": ana}})
		override(r, c, gentask.Overrides{})
		r.Limit = time.Hour
		r.Finish()
		require.Equal(r, 3, r.Runs.Total())
	})
}

// TestOverride_Drained: Run returns nil, with nothing lost, and a new start ends at once as long as
// the override is on.
func TestOverride_Drained(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		c := r.New(r.Handle(sleeper(time.Second)), gentask.Config{Concurrency: 2, Prefetch: 10})
		r.Publish(20)
		over := make(chan error, 1)
		go func() { over <- c.Run(context.Background()) }()
		time.Sleep(1500 * time.Millisecond)
		require.Equal(r, []string{"drained: off to on by ana"}, override(r, c, gentask.Overrides{Drained: by(ana, true)}))
		require.NoError(r, <-over)
		require.Equal(r, 2, r.Events(gentask.EventDrained)[0].Report.Finished)
		require.Equal(r, 4, r.Runs.Total())
		require.NoError(r, c.Run(r.Context()), "it ends at once")
		require.Equal(r, 4, r.Runs.Total())
		require.Equal(r, gentask.Stopped, c.Health().State)
		require.NoError(r, c.Err())
		override(r, c, gentask.Overrides{})
		require.NoError(r, c.Start())
		r.Finish()
		require.Equal(r, 20, r.Runs.Total())
	})
}

// TestOverride_Refuses: a value that makes no sense changes nothing, and the error says what would.
func TestOverride_Refuses(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		c := r.Start(r.Handle(sleeper(time.Second)), gentask.Config{Concurrency: 2, Prefetch: 10})
		many := map[string]gentask.Author{}
		for i := range gentask.MaxCancelled + 1 {
			many[fmt.Sprint(i)] = ana
		}
		long := strings.Repeat("x", 1025)
		for _, bad := range []struct {
			o    gentask.Overrides
			want string
		}{
			{gentask.Overrides{Concurrency: by(ana, -1)}, "Overrides.Concurrency is -1; want 0 for off, or 1 to 10, which is Config.Prefetch"},
			{gentask.Overrides{Concurrency: by(ana, 11)}, "Overrides.Concurrency is 11; want 0 for off, or 1 to 10, which is Config.Prefetch"},
			{gentask.Overrides{Rate: by(ana, &gentask.Rate{PerSecond: -1})}, "Overrides.Rate.PerSecond is -1; want 0 for no limit, or more"},
			{gentask.Overrides{Rate: by(ana, &gentask.Rate{PerSecond: math.NaN()})}, "Overrides.Rate.PerSecond is NaN"},
			{gentask.Overrides{Cancelled: many}, "Overrides.Cancelled is a map of 10001 IDs; want at most 10000"},
			{gentask.Overrides{Cancelled: map[string]gentask.Author{"": ana}}, "Overrides.Cancelled is an ID of 0 bytes; want 1 to 1024"},
			{gentask.Overrides{Cancelled: map[string]gentask.Author{long: ana}}, "Overrides.Cancelled is an ID of 1025 bytes; want 1 to 1024"},
			{gentask.Overrides{Paused: by(gentask.Author{By: long}, true)}, "Overrides.Paused.By is a text of 1025 bytes; want at most 1024"},
			{gentask.Overrides{Drained: by(gentask.Author{Reason: long}, true)}, "Overrides.Drained.Reason is a text of 1025 bytes"},
		} {
			bad.o.Paused.Value = true
			_, err := c.Override(r.Context(), bad.o)
			require.ErrorIs(r, err, gentask.ErrConfig)
			require.ErrorContains(r, err, bad.want)
			require.Equal(r, gentask.Overrides{}, c.Health().Overrides)
		}
		r.Rest()
		require.Equal(r, gentask.Consuming, c.Health().State)
		r.Finish()
	})
}

// TestOverride_IsShown: a probe shows what is overridden, and the change is an event and a line in
// the log, with its author.
func TestOverride_IsShown(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		var log strings.Builder
		cfg := r.Config(gentask.Config{})
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c, err := gentask.New(r.Source, r.Handle(sleeper(time.Second)), cfg)
		require.NoError(r, err)
		require.NoError(r, c.Start())
		r.Rest() // what is set before is told by the start
		require.Equal(r, []string{"paused: off to on by ana", "cancelled 1: off to on by ana", "cancelled 2: off to on by ana"},
			override(r, c, gentask.Overrides{
				Paused: by(ana, true), Cancelled: map[string]gentask.Author{"1": ana, "2": ana},
			}))
		answer := httptest.NewRecorder()
		gentask.HealthHandler(c).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
		require.Contains(r, answer.Body.String(), `"overridden":["paused","cancelled"]`)
		override(r, c, gentask.Overrides{})
		r.Rest()
		require.Len(r, r.Events(gentask.EventOverridden), 6)
		first := r.Events(gentask.EventOverridden)[0]
		require.Equal(r, gentask.OverrideChange{Kind: gentask.OverridePaused, From: "off", To: "on", Author: ana}, *first.Override)
		require.Equal(r, "2", r.Events(gentask.EventOverridden)[2].ID)
		r.Stop(c)
		lines := log.String()
		require.Contains(r, lines, `msg="gentask: overridden" consumer=gentask`)
		require.Contains(r, lines, `what=paused from=off to=on by=ana reason="the provider is down"`)
		require.Contains(r, lines, `what=cancelled id=2 to=on others=1 by=ana`)
	})
}
