package fleet_test

import (
	"context"
	"strconv"
	"syscall"
	"testing"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// BenchmarkJob measures the processor time of a job alone, and on a node.
func BenchmarkJob(b *testing.B) {
	for name, joined := range map[string]bool{"Alone": false, "OnNode": true} {
		b.Run(name, func(b *testing.B) { benchJob(b, joined) })
	}
}

func benchJob(b *testing.B, joined bool) {
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

func processorTime() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}
