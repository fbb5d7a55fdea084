package supervision_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

const inFlight = 1000

// BenchmarkDynamicChild starts one transient child for each job, which ends normally, with 1,000 in
// flight.
func BenchmarkDynamicChild(b *testing.B) {
	for _, c := range []struct {
		name     string
		notified bool
	}{
		{"plain", false},
		{"notified", true},
	} {
		b.Run(c.name, func(b *testing.B) {
			sys := actor.NewSystem(actor.SystemConfig{})
			slots := make(chan struct{}, inFlight)
			worker := &oneJob{}
			spec := supervision.ChildSpec{Restart: supervision.Transient}
			if c.notified {
				spec.Notify = actor.SpawnRoot(sys, actor.FromFunc(release(slots)), "listener")
			} else {
				worker.slots = slots
			}
			props := actor.FromProducer(func() actor.Actor { return worker })
			spec.Props = func() *actor.Props { return props }
			benchmarkChildren(b, sys, spec, slots)
		})
	}
}

func benchmarkChildren(b *testing.B, sys *actor.System, spec supervision.ChildSpec, slots chan struct{}) {
	b.Helper()
	props, err := supervision.Dynamic(supervision.DynamicSpec{})
	require.NoError(b, err)
	sup := actor.SpawnRoot(sys, props, "workers")
	b.ReportAllocs()
	for b.Loop() {
		slots <- struct{}{}
		actor.Send(sys, sup, &supervision.StartRequest{Spec: spec})
	}
	for range inFlight { // until the last has ended
		slots <- struct{}{}
	}
	b.StopTimer()
	_, err = stop(b.Context(), sys, sup)
	require.NoError(b, err)
}

func release(slots <-chan struct{}) actor.ReceiveFunc {
	return func(c actor.Context) {
		if _, ok := c.Message().(*supervision.Ended); ok {
			<-slots
		}
	}
}

// oneJob ends normally as soon as it has started.
type oneJob struct{ slots <-chan struct{} }

func (w *oneJob) Receive(c actor.Context) {
	switch c.Message().(type) {
	case *actor.Started:
		actor.Exit(c, nil)
	case *actor.Stopped:
		if w.slots != nil {
			<-w.slots
		}
	}
}
