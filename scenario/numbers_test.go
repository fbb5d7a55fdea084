package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

// number is a field of a struct that holds a duration, a counter or a share, and how to set it.
type number struct {
	path string
	kind reflect.Type
	set  func(into reflect.Value, v any)
}

// numbersOf finds the numbers of a struct type, those in structs and in the first element of slices
// included. A field that is added later is found.
func numbersOf(t reflect.Type, path string, at func(reflect.Value) reflect.Value) []number {
	var all []number
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		name := path + f.Name
		field := func(v reflect.Value) reflect.Value { return at(v).Field(i) }
		switch f.Type.Kind() { //nolint:exhaustive // the rest holds no number
		case reflect.Int, reflect.Int64, reflect.Float64:
			all = append(all, number{name, f.Type, func(into reflect.Value, v any) {
				field(into).Set(reflect.ValueOf(v).Convert(f.Type))
			}})
		case reflect.Struct:
			all = append(all, numbersOf(f.Type, name+".", field)...)
		case reflect.Slice:
			if f.Type.Elem().Kind() == reflect.Struct {
				first := func(v reflect.Value) reflect.Value { return field(v).Index(0) }
				all = append(all, numbersOf(f.Type.Elem(), name+"[0].", first)...)
			}
		default:
		}
	}
	return all
}

// extremes are the values that each number is set to.
func extremes(t reflect.Type) []any {
	if t.Kind() == reflect.Float64 {
		return []any{
			math.NaN(), math.Inf(1), math.Inf(-1), -1.0, 0.0, math.SmallestNonzeroFloat64, 1e-300, 1.0, 1.5, 1e300, math.MaxFloat64,
		}
	}
	return []any{math.MinInt64, -2, -1, 0, 1, math.MaxInt64 - 1, math.MaxInt64}
}

// everything is a Config with everything on, so that each of its numbers counts.
func everything() gentask.Config {
	customer := gentask.KeyHeader("customer")
	breaker := gentask.Breaker{FailureRate: 0.9, MinRuns: 100}
	return gentask.Config{
		Concurrency: 4, Prefetch: 4, Timeout: time.Second, Grace: time.Second, DrainTimeout: time.Second,
		Retry: gentask.Retry{
			MaxAttempts: 2, Backoff: gentask.Backoff{Base: time.Second, Max: time.Second},
			Rules: []gentask.Rule{{When: gentask.WhenTimeout}},
		},
		Policy: gentask.Policy{
			Breaker:    breaker,
			KeyBreaker: gentask.KeyBreaker{Key: customer, Breaker: breaker},
			Rate:       gentask.Rate{PerSecond: 100, Burst: 10},
			Fleet: gentask.FleetLimits{
				Rate: gentask.Rate{PerSecond: 100, Burst: 10}, PerKey: gentask.FleetPerKey{Key: customer, Concurrency: 2},
			},
			KeyRate:  gentask.KeyRate{Key: customer, Rate: gentask.Rate{PerSecond: 100, Burst: 10}},
			Adaptive: gentask.Adaptive{Min: 2},
			Pool:     gentask.PoolShare{Slots: gentask.NewPool(4), Weight: 1},
			Order:    gentask.Order{Key: customer, Strict: true},
			Fairness: gentask.Fairness{Key: customer},
			Dedup:    gentask.Dedup{Remember: 10},
		},
	}
}

// TestNumbers_Config: for any value of a number of Config, New refuses it, and names the field and
// the valid values; or the consumer starts, runs a job, ends one that hangs, and stops.
func TestNumbers_Config(t *testing.T) {
	self := func(v reflect.Value) reflect.Value { return v }
	fields := numbersOf(reflect.TypeFor[gentask.Config](), "", self)
	require.GreaterOrEqual(t, len(fields), 34)
	for _, f := range fields {
		for _, v := range extremes(f.kind) {
			t.Run(fmt.Sprintf("%s=%v", f.path, v), func(t *testing.T) {
				cfg := everything()
				f.set(reflect.ValueOf(&cfg).Elem(), v)
				tryNumbers(t, gentask.Handle(goodOrStuck), cfg, f.path)
			})
		}
	}
}

// TestNumbers_BatchConfig is the same for BatchConfig.
func TestNumbers_BatchConfig(t *testing.T) {
	self := func(v reflect.Value) reflect.Value { return v }
	fields := numbersOf(reflect.TypeFor[gentask.BatchConfig](), "", self)
	require.GreaterOrEqual(t, len(fields), 3)
	for _, f := range fields {
		for _, v := range extremes(f.kind) {
			t.Run(fmt.Sprintf("%s=%v", f.path, v), func(t *testing.T) {
				batch := gentask.BatchConfig{Size: 1, Bytes: 1000, Wait: time.Second}
				f.set(reflect.ValueOf(&batch).Elem(), v)
				behavior := gentask.Batch(func(ctx context.Context, jobs []gentask.Job[string]) (gentask.Results, error) {
					if err := goodOrStuck(ctx, jobs[0].Payload()); err != nil {
						return nil, err
					}
					return gentask.AllDone(jobs), nil
				}, batch)
				cfg := everything()
				cfg.Policy = gentask.Policy{}
				tryNumbers(t, behavior, cfg, f.path)
			})
		}
	}
}

// goodOrStuck returns at once, or when it is told to stop.
func goodOrStuck(ctx context.Context, payload string) error {
	if payload == "stuck" {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return nil
}

// anyUnits has a unit of FleetLimits for each job.
type anyUnits struct{}

func (anyUnits) Want(int)                           {}
func (anyUnits) Acquire() (gentask.QuotaUnit, bool) { return anyUnits{}, true }
func (anyUnits) Context() context.Context           { return context.Background() }
func (anyUnits) Release()                           {}

// anyKeys has a unit of FleetLimits.PerKey for each job.
type anyKeys struct{}

func (anyKeys) Want(string, int)                         {}
func (anyKeys) Acquire(string) (gentask.QuotaUnit, bool) { return anyUnits{}, true }

// anyTokens has a token of FleetLimits for each start.
type anyTokens struct{}

func (anyTokens) Want(bool)               {}
func (anyTokens) Take() (bool, time.Time) { return true, time.Time{} }
func (anyTokens) Return()                 {}

func tryNumbers(t *testing.T, b gentask.Behavior, cfg gentask.Config, field string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(memory.Config{})
		defer q.Close()
		acked := 0
		timedOut := make(chan struct{}, 1000)
		cfg.OnEvent = func(ev gentask.Event) {
			if ev.Kind == gentask.EventDone && ev.Disposition == queue.Ack {
				acked++
			}
			if ev.Outcome == task.Timeout {
				timedOut <- struct{}{}
			}
		}
		c, err := gentask.New(q, b, cfg)
		if err != nil {
			require.ErrorIs(t, err, gentask.ErrConfig)
			require.ErrorContains(t, err, field)
			require.ErrorContains(t, err, "; want ")
			return
		}
		c.SetQuota(anyUnits{})
		c.SetRateQuota(anyTokens{})
		c.SetKeyQuota(anyKeys{})
		require.NoError(t, c.Start())
		header := map[string]string{"customer": "a"}
		publish := func(body string) {
			require.NoError(t, q.Publish(t.Context(), queue.Message{Headers: header, Body: []byte(body)}))
		}
		publish("good")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, 1, acked, "health: %+v", c.Health())
		publish("stuck")
		if d := cfg.Timeout; d > 0 && d < time.Hour {
			select {
			case <-timedOut:
			case <-time.After(time.Minute):
				t.Errorf("no timeout; health: %+v", c.Health())
			}
		} else {
			time.Sleep(time.Second)
		}
		_, err = c.Stop(t.Context())
		require.NoError(t, err)
	})
}

// TestNumbers_Decisions: a decision that is to wait for ever waits, one that is to wait for less
// than nothing does not, and neither harms another job's timeout.
func TestNumbers_Decisions(t *testing.T) {
	for name, decide := range map[string]func(time.Duration) gentask.Decision{
		"Requeue": gentask.Requeue, "Snooze": gentask.Snooze, "Extend": gentask.Extend,
		"Snooze, by err": nil, "Rule.Backoff": nil, "ConstantBackoff": nil, "ExponentialBackoff": nil,
	} {
		for _, d := range []time.Duration{math.MinInt64, -2, -1, 0, 1, time.Hour, math.MaxInt64 - 1, math.MaxInt64} {
			t.Run(fmt.Sprintf("%s(%d)", name, d), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { tryDecision(t, name, decide, d) })
			})
		}
	}
}

func tryDecision(t *testing.T, name string, decide func(time.Duration) gentask.Decision, d time.Duration) {
	t.Helper()
	q := memory.New(memory.Config{})
	defer q.Close()
	var runs atomic.Int32
	late := make(chan struct{}, 100)
	cfg := gentask.Config{Timeout: time.Second, Retry: gentask.Retry{MaxAttempts: 3}, DrainTimeout: -1, OnEvent: func(ev gentask.Event) {
		if ev.ID == "late" && ev.Kind == gentask.EventDone {
			late <- struct{}{}
		}
	}}
	switch name {
	case "Rule.Backoff":
		cfg.Retry.Rules = []gentask.Rule{{When: gentask.WhenFailed, Backoff: func(int, error) time.Duration { return d }}}
	case "ConstantBackoff":
		cfg.Retry.Rules = []gentask.Rule{{When: gentask.WhenFailed, Backoff: gentask.ConstantBackoff(d)}}
	case "ExponentialBackoff":
		cfg.Retry.Rules = []gentask.Rule{{When: gentask.WhenFailed, Backoff: gentask.ExponentialBackoff(d, d)}}
	}
	c, err := gentask.New(q, gentask.Work(numbersWorker{func(ctx context.Context, id string) error {
		if id == "late" {
			<-ctx.Done()
			return context.Cause(ctx)
		}
		if runs.Add(1) > 3 {
			return nil
		}
		switch name {
		case "Extend":
			<-ctx.Done()
			return context.Cause(ctx)
		case "Snooze, by err":
			return gentask.Snooze(d)
		}
		return errors.New("fails")
	}, func(id string, o task.Outcome[struct{}]) gentask.Decision {
		if decide == nil || id == "late" || o.Status == task.OK || name == "Extend" && o.Status != task.Timeout {
			return gentask.Decision{}
		}
		return decide(d)
	}}), cfg)
	require.NoError(t, err)
	require.NoError(t, c.Start())
	defer func() {
		_, err := c.Stop(context.Background())
		require.NoError(t, err)
	}()
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "it", Body: []byte("it")}))
	time.Sleep(2 * time.Second)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "late", Body: []byte("late")}))
	select {
	case <-late:
	case <-time.After(time.Minute):
		require.Fail(t, "another job does not time out", "%+v", c.Health())
	}
	switch {
	case name == "ExponentialBackoff" && d > 0: // jitter
	case d >= time.Hour:
		require.EqualValues(t, 1, runs.Load(), "it waits")
	case name != "Extend":
		time.Sleep(time.Minute)
		require.Greater(t, runs.Load(), int32(1), "it does not")
	}
}

// numbersWorker is a Worker of two functions.
type numbersWorker struct {
	run    func(ctx context.Context, id string) error
	handle func(id string, o task.Outcome[struct{}]) gentask.Decision
}

func (w numbersWorker) Run(ctx context.Context, id string) (struct{}, error) {
	return struct{}{}, w.run(ctx, id)
}

func (w numbersWorker) HandleResult(job gentask.Job[string], o task.Outcome[struct{}]) gentask.Decision {
	return w.handle(job.ID(), o)
}

// TestNumbers_Dials: what is set while the consumer runs is refused, and nothing changes, or jobs
// go on.
func TestNumbers_Dials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(memory.Config{})
		defer q.Close()
		c, err := gentask.New(q, gentask.Handle(goodOrStuck), everything())
		require.NoError(t, err)
		c.SetRateQuota(anyTokens{})
		c.SetKeyQuota(anyKeys{})
		require.NoError(t, c.Start())
		good := func(set string, value any, err error) {
			if err != nil {
				require.ErrorIs(t, err, gentask.ErrConfig)
				require.ErrorContains(t, err, set)
				require.ErrorContains(t, err, "; want ")
			}
			require.NoError(t, q.Publish(t.Context(), queue.Message{Headers: map[string]string{"customer": "a"}, Body: []byte("good")}))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			require.NoError(t, q.WaitEmpty(ctx), "%s to %v", set, value)
		}
		for _, v := range extremes(reflect.TypeFor[int]()) {
			n, _ := v.(int)
			good("SetConcurrency", n, c.SetConcurrency(t.Context(), n))
			for _, f := range extremes(reflect.TypeFor[float64]()) {
				per, _ := f.(float64)
				good("SetRate", v, c.SetRate(t.Context(), gentask.Rate{PerSecond: per, Burst: n}))
				require.NoError(t, c.SetRate(t.Context(), gentask.Rate{PerSecond: 1e6, Burst: 1e6}))
				good("SetKeyRate", v, c.SetKeyRate(t.Context(), gentask.Rate{PerSecond: per, Burst: n}))
				require.NoError(t, c.SetKeyRate(t.Context(), gentask.Rate{}))
				time.Sleep(time.Second)
			}
		}
		_, err = c.Stop(t.Context())
		require.NoError(t, err)
	})
}
