package telemetry_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/telemetry"
)

// evil is a span processor, a propagator and a meter that do something else.
type evil struct {
	sdktrace.SpanProcessor
	propagation.TextMapPropagator

	onStart, onEnd, onPropagate, onMeasure func()
}

func (e *evil) OnStart(context.Context, sdktrace.ReadWriteSpan) { e.onStart() }
func (e *evil) OnEnd(sdktrace.ReadOnlySpan)                     { e.onEnd() }

func (e *evil) Inject(ctx context.Context, c propagation.TextMapCarrier) {
	e.onPropagate()
	propagation.TraceContext{}.Inject(ctx, c)
}

func (e *evil) Extract(ctx context.Context, c propagation.TextMapCarrier) context.Context {
	e.onPropagate()
	return propagation.TraceContext{}.Extract(ctx, c)
}

type evilMeters struct {
	noop.MeterProvider
	*evil
}

type evilMeter struct {
	noop.Meter
	*evil
}

type evilHistogram struct {
	noop.Float64Histogram
	*evil
}

func (m evilMeters) Meter(string, ...metric.MeterOption) metric.Meter { return evilMeter{evil: m.evil} }

func (m evilMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return evilHistogram{evil: m.evil}, nil
}

func (h evilHistogram) Record(context.Context, float64, ...metric.RecordOption) { h.onMeasure() }

func (h evilHistogram) Enabled(context.Context) bool { return true }

// TestProviders_ThatFail lose no message, and delay a job by no more than their limit: whichever of
// their functions panics, ends its goroutine or never returns.
func TestProviders_ThatFail(t *testing.T) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	for name, what := range map[string]func(hang chan struct{}){
		"panics":        func(chan struct{}) { panic("a bug of the provider") },
		"ends":          func(chan struct{}) { runtime.Goexit() },
		"never returns": func(hang chan struct{}) { <-hang },
	} {
		for place, set := range map[string]func(*evil, func()){
			"Start":     func(e *evil, f func()) { e.onStart = f },
			"End":       func(e *evil, f func()) { e.onEnd = f },
			"Propagate": func(e *evil, f func()) { e.onPropagate = f },
			"Measure":   func(e *evil, f func()) { e.onMeasure = f },
		} {
			t.Run(name+" in "+place, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					hang := make(chan struct{})
					none := func() {}
					e := &evil{onStart: none, onEnd: none, onPropagate: none, onMeasure: none}
					set(e, func() { what(hang) })
					survive(t, telemetry.Config{
						TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(e)),
						Propagator:     e, MeterProvider: evilMeters{evil: e},
					})
					close(hang)
					synctest.Wait()
				})
			})
		}
	}
}

// survive publishes and consumes 50 messages with an instrumentation that fails.
func survive(t *testing.T, cfg telemetry.Config) {
	t.Helper()
	const n = 50
	q := memory.New(memory.Config{Name: "emails"})
	defer q.Close()
	p, err := telemetry.NewPublisher(q, cfg)
	require.NoError(t, err)
	for range n {
		require.NoError(t, p.Publish(t.Context(), queue.Message{Body: []byte("1")}))
	}
	var runs atomic.Int32
	var slowest atomic.Int64
	c, err := gentask.New(q, gentask.Handle(func(context.Context, int) error {
		runs.Add(1)
		return nil
	}), gentask.Config{
		Logger: slog.New(slog.DiscardHandler),
		OnEvent: func(ev gentask.Event) {
			if ev.Kind == gentask.EventDone {
				slowest.Store(max(slowest.Load(), int64(ev.RunTime)))
			}
		},
		Policy: gentask.Policy{Middleware: []gentask.Middleware{telemetry.Middleware(cfg)}},
	})
	require.NoError(t, err)
	stop := instrument(t, c, cfg)
	require.NoError(t, c.Start())
	time.Sleep(30 * time.Second)
	require.True(t, c.Health().Healthy(), "the ledger is not held up")
	begin := time.Now()
	_, err = c.Stop(t.Context())
	require.NoError(t, err)
	stop()
	require.LessOrEqual(t, time.Since(begin), 12*time.Second)
	require.EqualValues(t, n, runs.Load())
	require.Equal(t, n, q.Stats().Acked)
	require.LessOrEqual(t, time.Duration(slowest.Load()), 2*time.Second, "a second for the start of a span, and for its end")
}

// TestProviders_FailuresAreReported to the error handler of OpenTelemetry, not more than once in
// ten seconds.
func TestProviders_FailuresAreReported(t *testing.T) {
	var reports atomic.Int32
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		if errors.Is(err, context.Canceled) || err == nil {
			t.Errorf("%v", err)
		}
		reports.Add(1)
		panic("and this is broken, too")
	}))
	defer otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	synctest.Test(t, func(t *testing.T) {
		none := func() {}
		e := &evil{onStart: func() { panic("bug") }, onEnd: none, onPropagate: none, onMeasure: none}
		cfg := telemetry.Config{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(e))}
		q := memory.New(memory.Config{})
		defer q.Close()
		p, err := telemetry.NewPublisher(q, cfg)
		require.NoError(t, err)
		for range 10 {
			for range 100 {
				require.NoError(t, p.Publish(t.Context(), queue.Message{}))
			}
			time.Sleep(10 * time.Second)
		}
		synctest.Wait()
		require.EqualValues(t, 10, reports.Load())
	})
}
