package scenario_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// probed is what a probe got.
type probed struct {
	Status    int
	OK        bool
	Consumers []struct {
		Name, State, Error string
		Healthy, Alive     bool
		Running, Held      int
	}
}

func probe(t *testing.T, h http.Handler) (p probed) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	p.Status = w.Code
	require.Equal(t, p.OK, p.Status == http.StatusOK)
	return p
}

// TestProbes_EveryState: readiness follows Healthy and liveness Alive, from before the start until
// after the end.
func TestProbes_EveryState(t *testing.T) {
	rig.MemoryWith(memory.Config{Faults: memory.Faults{SlowOpen: time.Second}}).Run(t, func(r *rig.Rig) {
		b := r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, time.Minute) })
		c := r.New(b, gentask.Config{Name: "emails", Timeout: -1})
		is := func(state gentask.State, ready int) {
			t.Helper()
			r.Rest()
			p, live := probe(r.T, gentask.HealthHandler(c)), probe(r.T, gentask.LivenessHandler(c))
			require.Equal(r, ready, p.Status)
			require.Equal(r, http.StatusOK, live.Status)
			require.Equal(r, p.Consumers, live.Consumers)
			require.Len(r, p.Consumers, 1)
			require.Equal(r, "emails", p.Consumers[0].Name)
			require.Equal(r, state.String(), p.Consumers[0].State)
			require.Equal(r, ready == http.StatusOK, p.Consumers[0].Healthy)
			require.True(r, p.Consumers[0].Alive)
			require.True(r, c.Alive())
		}
		is(gentask.Stopped, http.StatusServiceUnavailable)
		require.NoError(r, c.Start())
		is(gentask.Connecting, http.StatusServiceUnavailable)
		time.Sleep(time.Second)
		is(gentask.Consuming, http.StatusOK)
		require.NoError(r, c.Pause(r.Context()))
		is(gentask.Paused, http.StatusOK)
		require.NoError(r, c.Resume(r.Context()))
		r.Memory.SetFaults(memory.Faults{RefuseOpen: memory.Times(-1)})
		r.Break()
		time.Sleep(time.Hour)
		is(gentask.Connecting, http.StatusServiceUnavailable)
		require.Contains(r, probe(r.T, gentask.HealthHandler(c)).Consumers[0].Error, memory.ErrRefused.Error())
		r.Memory.SetFaults(memory.Faults{})
		r.Publish(2)
		r.Eventually("they run", func() bool { return c.Health().Running == 2 })
		require.Equal(r, 2, probe(r.T, gentask.HealthHandler(c)).Consumers[0].Held)
		go func() { _, _ = c.Stop(context.WithoutCancel(r.Context())) }()
		is(gentask.Draining, http.StatusServiceUnavailable)
		<-c.Done()
		is(gentask.Stopped, http.StatusServiceUnavailable)
	})
}

// TestProbes_SeveralConsumers: one that is not well is enough, and its line shows which. Without
// any, nothing is ready and nothing must be restarted.
func TestProbes_SeveralConsumers(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		b := r.Handle(func(context.Context, string) error { return nil })
		up, down := r.Start(b, gentask.Config{Name: "up"}), r.New(b, gentask.Config{Name: "down"})
		r.Rest()
		require.Equal(r, http.StatusOK, probe(r.T, gentask.HealthHandler(up, up)).Status)
		p := probe(r.T, gentask.HealthHandler(up, down))
		require.Equal(r, http.StatusServiceUnavailable, p.Status)
		require.True(r, p.Consumers[0].Healthy)
		require.False(r, p.Consumers[1].Healthy)
		require.Equal(r, http.StatusOK, probe(r.T, gentask.LivenessHandler(up, down)).Status)
		require.Equal(r, http.StatusServiceUnavailable, probe(r.T, gentask.HealthHandler()).Status)
		require.Equal(r, http.StatusOK, probe(r.T, gentask.LivenessHandler()).Status)
	})
}

// TestAlive_GivenUp: a consumer that ended by itself is not alive, until it is started again.
func TestAlive_GivenUp(t *testing.T) {
	rig.MemoryWith(memory.Config{Faults: memory.Faults{RefuseOpen: memory.Times(1), RefuseError: queue.ErrConfig}}).Run(t, func(r *rig.Rig) {
		r.Allow.GaveUp = true
		c := r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		<-c.Done()
		require.False(r, c.Alive())
		p := probe(r.T, gentask.LivenessHandler(c))
		require.Equal(r, http.StatusServiceUnavailable, p.Status)
		require.Contains(r, p.Consumers[0].Error, queue.ErrConfig.Error())
		require.NoError(r, c.Start())
		require.True(r, c.Alive())
		r.Rest()
		require.True(r, c.Health().Healthy())
	})
}

// TestAlive_Standing: a ledger that makes no turns for 10 s is not alive, not even when it never
// made one.
func TestAlive_Standing(t *testing.T) {
	for name, after := range map[string]time.Duration{"from the start": 0, "later": time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wedge{wedged: after == 0}
				cfg := gentask.Config{System: actor.NewSystem(actor.SystemConfig{Dispatcher: w}), Logger: silent}
				c, err := gentask.New(memory.New(memory.Config{}), gentask.Handle(func(context.Context, int) error { return nil }), cfg)
				require.NoError(t, err)
				require.NoError(t, c.Start())
				time.Sleep(after)
				w.hold(true)
				time.Sleep(9 * time.Second)
				require.True(t, c.Alive())
				require.ErrorIs(t, c.Health().Error, gentask.ErrStanding)
				time.Sleep(2 * time.Second)
				require.False(t, c.Alive())
				w.hold(false)
				time.Sleep(time.Second)
				require.True(t, c.Alive())
				_, err = c.Stop(t.Context())
				require.NoError(t, err)
				require.True(t, c.Alive())
			})
		})
	}
}

// TestAlive_Saturated: abandoned tasks that do not return within ten minutes end with the process
// only.
func TestAlive_Saturated(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		release := make(chan struct{})
		r.Publish(1)
		c := r.Start(r.Handle(func(context.Context, string) error {
			<-release
			return nil
		}), gentask.Config{Timeout: time.Second, Grace: -1, MaxAbandoned: 1, Retry: gentask.Retry{MaxAttempts: 1}})
		r.Eventually("it is saturated", func() bool { return c.Health().State == gentask.Saturated })
		time.Sleep(9 * time.Minute)
		require.True(r, c.Alive())
		time.Sleep(2 * time.Minute)
		require.False(r, c.Alive())
		close(release)
		r.Eventually("it consumes", func() bool { return c.Health().State == gentask.Consuming })
		require.True(r, c.Alive())
	})
}
