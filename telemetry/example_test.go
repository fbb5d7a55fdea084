package telemetry_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/telemetry"
)

// A message is published, processed and acknowledged in one trace. A program would set the global
// providers once (otel.SetTracerProvider, otel.SetMeterProvider), with exporters of its choice.
func Example() {
	spans := tracetest.NewInMemoryExporter()
	metrics := sdkmetric.NewManualReader()
	cfg := telemetry.Config{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)),
		MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(metrics)),
		Parent:         true,
	}
	emails := memory.New(memory.Config{Name: "emails"})
	defer emails.Close()

	publisher, err := telemetry.NewPublisher(emails, cfg)
	if err != nil {
		fmt.Println(err)
	}
	if err := publisher.Publish(context.Background(), queue.Message{Body: []byte("anna")}); err != nil {
		fmt.Println(err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	consumer, err := gentask.New(emails, gentask.Handle(func(_ context.Context, to string) error {
		defer cancel()
		fmt.Println("to", to)
		return nil
	}), gentask.Config{
		Logger: slog.New(slog.DiscardHandler),
		Policy: gentask.Policy{Middleware: []gentask.Middleware{telemetry.Middleware(cfg)}},
	})
	if err != nil {
		fmt.Println(err)
	}
	stop, err := telemetry.Instrument(consumer, cfg)
	if err != nil {
		fmt.Println(err)
	}
	if err := consumer.Run(ctx); err != nil {
		fmt.Println(err)
	}
	stop()

	trace := spans.GetSpans()[0].SpanContext.TraceID()
	for _, s := range spans.GetSpans() {
		fmt.Println(s.SpanKind, s.Name, s.SpanContext.TraceID() == trace)
	}
	var data metricdata.ResourceMetrics
	if err := metrics.Collect(context.Background(), &data); err != nil {
		fmt.Println(err)
	}
	var names []string
	for _, m := range data.ScopeMetrics[0].Metrics {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	fmt.Println(names)
	// Output:
	// to anna
	// producer send emails true
	// consumer process emails true
	// client ack emails true
	// [gentask.job.attempts gentask.job.queue_time gentask.session.opens gentask.settle.refusals messaging.client.consumed.messages messaging.client.operation.duration messaging.client.sent.messages messaging.process.duration]
}

// Something that waits elsewhere is a metric, too. For the outbox of package queue/postgres/outbox
// the function would add up what its Backlog returns.
func ExampleBacklog() {
	metrics := sdkmetric.NewManualReader()
	cfg := telemetry.Config{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(metrics))}

	stop, err := telemetry.Backlog(cfg, "outbox", func(context.Context) (int, time.Duration, error) {
		return 3, time.Minute, nil
	})
	if err != nil {
		fmt.Println(err)
	}
	defer stop()

	// The first collection starts to look, and a later one has the figures.
	var data metricdata.ResourceMetrics
	for len(data.ScopeMetrics) == 0 {
		if err := metrics.Collect(context.Background(), &data); err != nil {
			fmt.Println(err)
		}
	}
	for _, m := range data.ScopeMetrics[0].Metrics {
		fmt.Println(m.Name)
	}
	// Output:
	// gentask.outbox.backlog
	// gentask.outbox.oldest_age
}
