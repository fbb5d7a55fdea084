package supervision_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

// BenchmarkDynamicChild starts one transient child for each job and ends it normally, with 1,000 in flight.
func BenchmarkDynamicChild(b *testing.B) {
	for name, notify := range map[string]bool{"plain": false, "notified": true} {
		b.Run(name, func(b *testing.B) {
			sys := actor.NewSystem(actor.SystemConfig{})
			ended := make(chan struct{}, inFlight)
			for range inFlight {
				ended <- struct{}{}
			}
			listener := actor.SpawnRoot(sys, actor.FromFunc(func(c actor.Context) {
				if _, ok := c.Message().(*supervision.Ended); ok {
					ended <- struct{}{}
				}
			}), "listener")
			worker := actor.FromProducer(func() actor.Actor { return &oneJob{} })
			if !notify {
				worker = actor.FromProducer(func() actor.Actor { return &oneJob{done: ended} })
			}
			props, err := supervision.Dynamic(supervision.DynamicSpec{})
			require.NoError(b, err)
			sup := actor.SpawnRoot(sys, props, "workers")
			spec := supervision.ChildSpec{Props: func() *actor.Props { return worker }, Restart: supervision.Transient}
			if notify {
				spec.Notify = listener
			}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				<-ended
				actor.Send(sys, sup, &supervision.StartRequest{Spec: spec})
			}
			for range inFlight {
				<-ended
			}
			b.StopTimer()
			_, err = supervision.Stop(b.Context(), sys, sup)
			require.NoError(b, err)
		})
	}
}

const inFlight = 1000

// oneJob ends normally as soon as it has started.
type oneJob struct{ done chan<- struct{} }

func (w *oneJob) Receive(c actor.Context) {
	switch c.Message().(type) {
	case *actor.Started:
		actor.Exit(c, nil)
	case *actor.Stopped:
		if w.done != nil {
			w.done <- struct{}{}
		}
	}
}
