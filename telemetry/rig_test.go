package telemetry_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/telemetry"
)

// backend is what telemetry is sent to: everything is kept in memory.
type backend struct {
	telemetry.Config
	spans  *tracetest.SpanRecorder
	reader *sdkmetric.ManualReader
}

func newBackend() *backend {
	b := &backend{spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	b.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(b.spans))
	b.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(b.reader))
	return b
}

// span returns the only span with the name.
func (b *backend) span(t *testing.T, name string) sdktrace.ReadOnlySpan {
	t.Helper()
	all := b.all(name)
	require.Len(t, all, 1, "%s among %v", name, b.names())
	return all[0]
}

func (b *backend) all(name string) (all []sdktrace.ReadOnlySpan) {
	for _, s := range b.spans.Ended() {
		if s.Name() == name {
			all = append(all, s)
		}
	}
	return all
}

func (b *backend) names() (all []string) {
	for _, s := range b.spans.Ended() {
		all = append(all, s.Name())
	}
	return all
}

// metrics collects, by name.
func (b *backend) metrics(t *testing.T) map[string]metricdata.Metrics {
	t.Helper()
	var data metricdata.ResourceMetrics
	require.NoError(t, b.reader.Collect(context.Background(), &data))
	all := map[string]metricdata.Metrics{}
	for _, s := range data.ScopeMetrics {
		for _, m := range s.Metrics {
			all[m.Name] = m
		}
	}
	return all
}

// point is a data point of any metric.
type point struct {
	attributes map[string]string
	count      uint64 // of a histogram
	value      float64
}

// points returns the data points of a metric.
func points(t *testing.T, m metricdata.Metrics) (all []point) {
	t.Helper()
	switch data := m.Data.(type) {
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			all = append(all, point{attributes: texts(p.Attributes), count: p.Count, value: p.Sum})
		}
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			all = append(all, point{attributes: texts(p.Attributes), value: float64(p.Value)})
		}
	case metricdata.Gauge[int64]:
		for _, p := range data.DataPoints {
			all = append(all, point{attributes: texts(p.Attributes), value: float64(p.Value)})
		}
	case metricdata.Gauge[float64]:
		for _, p := range data.DataPoints {
			all = append(all, point{attributes: texts(p.Attributes), value: p.Value})
		}
	default:
		require.FailNow(t, "kind of metric", "%s: %T", m.Name, data)
	}
	return all
}

func texts(set attribute.Set) map[string]string { return textsOf(set.ToSlice()) }

func textsOf(all []attribute.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range all {
		m[string(kv.Key)] = kv.Value.String()
	}
	return m
}

// runAll runs what is in the queue with the behaviour, traced and measured, until nothing is left.
func (b *backend) runAll(t *testing.T, q *memory.Queue, behavior gentask.Behavior, cfg gentask.Config) {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Policy.Middleware = append([]gentask.Middleware{telemetry.Middleware(b.Config)}, cfg.Policy.Middleware...)
	c, err := gentask.New(q, behavior, cfg)
	require.NoError(t, err)
	stop, err := telemetry.Instrument(c, b.Config)
	require.NoError(t, err)
	defer stop()
	require.NoError(t, c.Start())
	require.NoError(t, q.WaitEmpty(t.Context()))
	_, err = c.Stop(t.Context())
	require.NoError(t, err)
}
