package telemetry_test

import (
	"context"
	"log/slog"
	"strconv"
	"syscall"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/telemetry"
)

// BenchmarkJob is the no-op job of BenchmarkKernel: without telemetry, with a subscriber that does
// nothing, with metrics, and with spans and metrics. Take turns (-count), because other work of the
// machine strikes all of them.
func BenchmarkJob(b *testing.B) {
	none := func(*gentask.Consumer) func() { return func() {} }
	b.Run("Off", func(b *testing.B) { benchmark(b, nil, none) })
	b.Run("Events", func(b *testing.B) {
		benchmark(b, nil, func(c *gentask.Consumer) func() { return c.Subscribe(func(gentask.Event) {}) })
	})
	b.Run("Metrics", func(b *testing.B) {
		cfg := telemetry.Config{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))}
		benchmark(b, nil, func(c *gentask.Consumer) func() { return instrument(b, c, cfg) })
	})
	b.Run("Spans", func(b *testing.B) {
		cfg := telemetry.Config{
			TracerProvider: sdktrace.NewTracerProvider(),
			MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())),
		}
		benchmark(b, []gentask.Middleware{telemetry.Middleware(cfg)},
			func(c *gentask.Consumer) func() { return instrument(b, c, cfg) })
	})
}

func instrument(tb testing.TB, c *gentask.Consumer, cfg telemetry.Config) func() {
	tb.Helper()
	stop, err := telemetry.Instrument(c, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return stop
}

func benchmark(b *testing.B, m []gentask.Middleware, observe func(*gentask.Consumer) (stop func())) {
	b.Helper()
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
		gentask.Config{Logger: slog.New(slog.DiscardHandler), Concurrency: 1000, Policy: gentask.Policy{Middleware: m}})
	if err != nil {
		b.Fatal(err)
	}
	defer observe(c)()
	b.ReportAllocs()
	before := processorTime()
	b.ResetTimer()
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	if err := q.WaitEmpty(b.Context()); err != nil {
		b.Fatal(err)
	}
	if _, err := c.Stop(b.Context()); err != nil { // every event has been handled
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(processorTime()-before)/float64(b.N), "cpu-ns/op")
}

func processorTime() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}
