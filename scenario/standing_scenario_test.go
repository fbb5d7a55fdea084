package scenario_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue/memory"
)

// TestScenario47_AnOldHealth is not healthy: it reports how things were.
func TestScenario47_AnOldHealth(t *testing.T) {
	for age, healthy := range map[time.Duration]bool{0: true, time.Second: true, 3 * time.Second: false} {
		h := gentask.Health{State: gentask.Consuming, Turn: time.Now().Add(-age)}
		assert.Equal(t, healthy, h.Healthy(), age)
	}
}

// wedge is a dispatcher that can be held up.
type wedge struct {
	mu     sync.Mutex
	wedged bool
	queue  []func()
}

func (w *wedge) Throughput() int { return 1 }

func (w *wedge) Schedule(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wedged {
		w.queue = append(w.queue, f)
		return
	}
	go f()
}

func (w *wedge) hold(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wedged = on
	if !on {
		for _, f := range w.queue {
			go f()
		}
		w.queue = nil
	}
}

// TestScenario47_ADispatcherThatIsWedged, from the start or later: the node is not healthy, and Run
// returns.
func TestScenario47_ADispatcherThatIsWedged(t *testing.T) {
	for name, after := range map[string]time.Duration{"from the start": 0, "later": time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wedge{wedged: after == 0}
				sys := actor.NewSystem(actor.SystemConfig{Dispatcher: w})
				cfg := gentask.Config{System: sys, Logger: silent}
				c, err := gentask.New(memory.New(memory.Config{}), gentask.Handle(func(context.Context, int) error { return nil }), cfg)
				require.NoError(t, err)
				require.NoError(t, c.Start())
				time.Sleep(after)
				require.Equal(t, after > 0, c.Health().Healthy())
				w.hold(true)
				for range 10 {
					time.Sleep(2100 * time.Millisecond)
					require.False(t, c.Health().Healthy())
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err = c.Stop(ctx)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				w.hold(false)
				<-c.Done()
				time.Sleep(2 * time.Second)
			})
		})
	}
}

// TestScenario47_RunReturns although the consumer can't stop, with an error.
func TestScenario47_RunReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wedge{}
		cfg := gentask.Config{System: actor.NewSystem(actor.SystemConfig{Dispatcher: w}), Logger: silent}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, func() {
			w.hold(true)
			cancel()
		})
		begin := time.Now()
		err := gentask.Run(ctx, memory.New(memory.Config{}), gentask.Handle(func(context.Context, int) error { return nil }), cfg)
		require.ErrorIs(t, err, gentask.ErrStanding)
		require.LessOrEqual(t, time.Since(begin), 3*time.Minute)
		w.hold(false)
		time.Sleep(time.Minute)
	})
}
