package actor

import (
	"testing"
	"time"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// TestAUsersSystemCountsActorsOfThisPackage holds protoactor-go's use of the metrics API, because
// go.mod requires a newer OpenTelemetry than protoactor-go does.
func TestAUsersSystemCountsActorsOfThisPackage(t *testing.T) {
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	old := otel.GetMeterProvider()
	otel.SetMeterProvider(provider) // protoactor-go asks the global one
	t.Cleanup(func() { otel.SetMeterProvider(old) })

	sys := pa.NewActorSystem(pa.WithMetricProviders(provider))
	mend32(sys)
	got := make(chan string, 1)
	pid := SpawnRoot(sys, FromFunc(func(ctx Context) {
		if s, ok := ctx.Message().(string); ok {
			got <- s
		}
	}), "counted")
	Send(sys, pid, "hello")
	select {
	case <-got:
	case <-time.After(10 * time.Second):
		t.Fatal("no message")
	}
	reason, err := Shutdown(t.Context(), sys, pid)
	require.NoError(t, err)
	require.ErrorIs(t, reason, ErrShutdown)

	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	require.EqualValues(t, 1, counted(t, all, "protoactor_actor_spawn_count"))
	require.Positive(t, counted(t, all, "protoactor_actor_message_receive_duration_seconds"))
}

// counted returns the sum of a counter, or the number of records of a histogram, over all
// attributes.
func counted(t *testing.T, all metricdata.ResourceMetrics, name string) (n int64) {
	t.Helper()
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					n += point.Value
				}
			case metricdata.Histogram[float64]:
				for _, point := range data.DataPoints {
					n += int64(point.Count)
				}
			}
		}
	}
	return n
}
