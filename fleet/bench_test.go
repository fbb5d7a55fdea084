package fleet_test

import (
	"context"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// BenchmarkJob measures the processor time of a job alone, on a node, and on a node whose events
// are watched.
func BenchmarkJob(b *testing.B) {
	b.Run("Alone", func(b *testing.B) { benchJob(b, false, false) })
	b.Run("OnNode", func(b *testing.B) { benchJob(b, true, false) })
	b.Run("Watched", func(b *testing.B) { benchJob(b, true, true) })
}

func benchJob(b *testing.B, joined, watched bool) {
	q := memory.New(memory.Config{})
	defer q.Close()
	msgs := make([]queue.Message, b.N)
	for i := range msgs {
		msgs[i] = queue.Message{ID: strconv.Itoa(i), Body: []byte("{}")}
	}
	if err := q.Publish(b.Context(), msgs...); err != nil {
		b.Fatal(err)
	}
	c, err := gentask.New(q, gentask.Handle(func(context.Context, []byte) error { return nil }),
		gentask.Config{Concurrency: 100})
	if err != nil {
		b.Fatal(err)
	}
	if joined {
		n, err := fleet.Join(b.Context(), memory.NewBroker(), fleet.Config{}, c)
		if err != nil {
			b.Fatal(err)
		}
		defer n.Close()
		if watched {
			defer watchNode(b, n)()
		}
	}
	before := processorTime()
	b.ReportAllocs()
	b.ResetTimer()
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	if err := q.WaitEmpty(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(processorTime()-before)/float64(b.N), "cpu-ns/op")
	if _, err := c.Stop(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// watchNode watches the node's events until stop is called.
func watchNode(b *testing.B, n *fleet.Node) (stop func()) {
	ctx, cancel := context.WithCancel(b.Context())
	begun := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		begin := sync.OnceFunc(func() { close(begun) })
		for _, err := range n.Events(ctx, fleet.EventFilter{}) {
			if err != nil {
				b.Error(err)
			}
			begin()
		}
	})
	<-begun
	return func() { cancel(); wg.Wait() }
}

func processorTime() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}
