package supervision_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

var extremes = []int64{-2, -1, 0, 1, math.MaxInt64 - 1, math.MaxInt64}

// numbers are all durations and counts of the specs. Each sets one in specs that are sound
// otherwise.
var numbers = map[string]func(n int64, s *supervision.Spec, d *supervision.DynamicSpec){
	"Shutdown": func(n int64, s *supervision.Spec, _ *supervision.DynamicSpec) {
		s.Children[0].Shutdown = time.Duration(n)
	},
	"Intensity.Restarts": func(n int64, s *supervision.Spec, d *supervision.DynamicSpec) {
		s.Intensity.Restarts, d.Intensity.Restarts = int(n), int(n)
	},
	"Intensity.Period": func(n int64, s *supervision.Spec, d *supervision.DynamicSpec) {
		s.Intensity.Period, d.Intensity.Period = time.Duration(n), time.Duration(n)
	},
	"ChildIntensity.Restarts": func(n int64, _ *supervision.Spec, d *supervision.DynamicSpec) {
		d.Intensity, d.ChildIntensity = supervision.Intensity{}, &supervision.Intensity{Restarts: int(n)}
	},
	"ChildIntensity.Period": func(n int64, _ *supervision.Spec, d *supervision.DynamicSpec) {
		d.Intensity, d.ChildIntensity = supervision.Intensity{}, &supervision.Intensity{
			Restarts: 5,
			Period:   time.Duration(n),
		}
	},
	"Backoff.Base": func(n int64, s *supervision.Spec, d *supervision.DynamicSpec) {
		s.Backoff.Base, d.Backoff.Base = time.Duration(n), time.Duration(n)
	},
	"Backoff.Max": func(n int64, s *supervision.Spec, d *supervision.DynamicSpec) {
		s.Backoff, d.Backoff = supervision.Backoff{Base: 1, Max: time.Duration(n)}, supervision.Backoff{
			Base: 1,
			Max:  time.Duration(n),
		}
	},
	"Backoff.Base, with Jitter": func(n int64, s *supervision.Spec, d *supervision.DynamicSpec) {
		s.Backoff, d.Backoff = supervision.Backoff{
			Base:   time.Duration(n),
			Jitter: 1,
		}, supervision.Backoff{Base: time.Duration(n), Jitter: 1}
	},
	"MaxChildren": func(n int64, _ *supervision.Spec, d *supervision.DynamicSpec) { d.MaxChildren = int(n) },
}

// Each number is refused by name, or works.
func TestExtremeNumbers(t *testing.T) {
	for field, set := range numbers {
		for _, n := range extremes {
			t.Run(fmt.Sprint(field, " ", n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					fives := supervision.Intensity{Restarts: 5}
					spec := supervision.Spec{
						Intensity: fives, Children: []supervision.ChildSpec{r.child("a")},
						OnEvent: r.onEvent,
					}
					dynamic := supervision.DynamicSpec{Intensity: fives, OnEvent: r.onEvent}
					set(n, &spec, &dynamic)
					props, err := supervision.Static(spec)
					r.tryNumber(field, props, err, nil)
					props, err = supervision.Dynamic(dynamic)
					r.tryNumber(field, props, err, &spec.Children[0])
				})
			})
		}
	}
}

// tryNumber lets the child of a supervisor fail twice, and stops it.
func (r *rig) tryNumber(field string, props *actor.Props, err error, child *supervision.ChildSpec) {
	r.Helper()
	if err != nil {
		require.ErrorIs(r, err, supervision.ErrConfig)
		require.ErrorContains(r, err, field[:5])
		return
	}
	r.events = nil
	sup := actor.SpawnRoot(r.sys, props, "sup")
	if child != nil {
		if _, err := supervision.StartChild(r.Context(), r.sys, sup, *child); err != nil {
			require.ErrorContains(r, err, "ChildSpec.")
		}
	}
	for range 2 {
		r.send(r.eventPID("a"), errBoom)
		time.Sleep(time.Second)
	}
	if actor.Alive(r.sys, sup) {
		require.Empty(r, r.stop(sup).Abandoned)
	}
	for _, e := range r.events {
		require.GreaterOrEqual(r, e.Delay, time.Duration(0))
	}
}

// A limit that is out of reach needs no memory, and the longest delay is never exceeded.
func TestHugeLimits(t *testing.T) {
	bubble(t, func(r *rig) {
		const huge = math.MaxInt64/2 + 1
		sup := r.static(supervision.Spec{
			Intensity: supervision.Intensity{Restarts: math.MaxInt - 1, Period: math.MaxInt64},
			Backoff:   supervision.Backoff{Base: huge, Max: math.MaxInt64},
			Children:  []supervision.ChildSpec{r.child("a")},
		})
		for i, want := range []time.Duration{huge, math.MaxInt64, math.MaxInt64} {
			r.send(r.pid(sup, "a"), errBoom)
			require.Equal(r, supervision.Restarting, r.children(sup)["a"].State, i)
			require.NoError(r, supervision.TerminateChild(r.Context(), r.sys, sup, "a"))
			require.Equal(r, want, r.lastDelay(), i)
			_, err := supervision.RestartChild(r.Context(), r.sys, sup, "a")
			require.NoError(r, err)
		}
		r.stop(sup)
	})
}

func (r *rig) lastDelay() (delay time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Kind == supervision.ChildRestarting {
			delay = e.Delay
		}
	}
	return delay
}

// A child that hangs is waited for as long as the longest Shutdown allows, and can still be killed
// by a shorter one.
func TestTheLongestShutdownIsForEver(t *testing.T) {
	for kind, start := range supervisors {
		t.Run(kind, func(t *testing.T) {
			bubble(t, func(r *rig) {
				spec := r.child("slow")
				spec.Shutdown = math.MaxInt64
				spec.Props = r.trapper("slow", 10*365*24*time.Hour)
				require.Empty(r, r.stop(start(r, spec)).Abandoned)
				require.Equal(r, []string{"?slow", "-slow"}, r.takeLog())
				require.NotContains(r, r.kinds("slow"), supervision.ChildKilled)
			})
		})
	}
}
