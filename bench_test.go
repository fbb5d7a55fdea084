package gentask

import (
	"context"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"

	pa "github.com/asynkron/protoactor-go/actor"
)

const inFlight = 1000

// BenchmarkKernel is one no-op job through everything: memory source, ledger, worker, task,
// HandleResult, settlement.
func BenchmarkKernel(b *testing.B) {
	q := memory.New(memory.Config{})
	defer q.Close()
	msgs := make([]queue.Message, b.N)
	for i := range msgs {
		msgs[i] = queue.Message{ID: strconv.Itoa(i), Body: []byte("{}")}
	}
	if err := q.Publish(b.Context(), msgs...); err != nil {
		b.Fatal(err)
	}
	c, err := New(q, Handle(func(context.Context, []byte) error { return nil }), Config{Concurrency: inFlight})
	if err != nil {
		b.Fatal(err)
	}
	defer cpuTime(b)()
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	if err := q.WaitEmpty(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if _, err := c.Stop(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// cpuTime starts the measurement; the returned function reports the processor time of the whole
// process, which a busy machine falsifies less than the clock.
func cpuTime(b *testing.B) func() {
	b.ReportAllocs()
	before := processorTime()
	b.ResetTimer()
	return func() { b.ReportMetric(float64(processorTime()-before)/float64(b.N), "cpu-ns/op") }
}

func processorTime() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkPair is the bare protoactor pair with its default mailbox: a worker actor that spawns a
// task actor and gets its end.
func BenchmarkPair(b *testing.B) {
	sys := actor.NewSystem(actor.SystemConfig{})
	slots := make(chan struct{}, inFlight)
	release := func() { <-slots }
	task := func() pa.Actor {
		return pa.ReceiveFunc(func(ctx pa.Context) {
			if _, ok := ctx.Message().(*pa.Started); ok {
				ctx.Stop(ctx.Self())
			}
		})
	}
	worker := func() pa.Actor {
		return pa.ReceiveFunc(func(ctx pa.Context) {
			switch ctx.Message().(type) {
			case *pa.Started:
				ctx.Spawn(pa.PropsFromProducer(task))
			case *pa.Terminated:
				ctx.Stop(ctx.Self())
			case *pa.Stopped:
				release()
			}
		})
	}
	sup := sys.Root.Spawn(pa.PropsFromFunc(func(ctx pa.Context) {
		if _, ok := ctx.Message().(struct{}); ok {
			ctx.Spawn(pa.PropsFromProducer(worker))
		}
	}))
	defer cpuTime(b)()
	for range b.N {
		slots <- struct{}{}
		sys.Root.Send(sup, struct{}{})
	}
	for range inFlight {
		slots <- struct{}{}
	}
	b.StopTimer()
	_ = sys.Root.StopFuture(sup).Wait()
}

// BenchmarkBlocked reports what one of 100,000 jobs in flight takes while it blocks: heap and
// stacks, all included, message and delivery too.
func BenchmarkBlocked(b *testing.B) {
	const jobs = 100_000
	for range b.N {
		q := memory.New(memory.Config{})
		release := make(chan struct{})
		var running atomic.Int64
		c, err := New(q, Handle(func(context.Context, []byte) error {
			running.Add(1)
			<-release
			return nil
		}), Config{Concurrency: jobs})
		if err != nil {
			b.Fatal(err)
		}
		before := memoryInUse()
		for i := range jobs {
			if err := q.Publish(b.Context(), queue.Message{ID: strconv.Itoa(i), Body: []byte("{}")}); err != nil {
				b.Fatal(err)
			}
		}
		if err := c.Start(); err != nil {
			b.Fatal(err)
		}
		for running.Load() < jobs {
			runtime.Gosched()
		}
		b.ReportMetric(float64(memoryInUse()-before)/jobs, "B/job")
		close(release)
		if err := q.WaitEmpty(b.Context()); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Stop(b.Context()); err != nil {
			b.Fatal(err)
		}
		q.Close()
	}
}

func memoryInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
