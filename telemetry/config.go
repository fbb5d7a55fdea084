package telemetry

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/gentask/gentask/queue"
)

// scope is the name of the instrumentation scope of all spans and metrics.
const scope = "github.com/gentask/gentask/telemetry"

// Config configures what this package shows, and to whom. The zero value is valid.
type Config struct {
	// TracerProvider makes the spans. Nil means the global one, which makes none unless the program
	// sets it (otel.SetTracerProvider).
	TracerProvider trace.TracerProvider

	// MeterProvider makes the metrics. Nil means the global one (otel.SetMeterProvider).
	MeterProvider metric.MeterProvider

	// Propagator writes a context into the headers of a message, and reads it. Nil means
	// [propagation.TraceContext], the W3C's headers traceparent and tracestate.
	Propagator propagation.TextMapPropagator

	// Parent makes the span of a job a child of the one that has sent its message, so that both are
	// in one trace. Off, the job's span begins a trace of its own and has a link to the sender's. A
	// batch always has links. A trace with a parent ends only when the last of its messages was
	// processed, which may be days later.
	Parent bool

	// System is the attribute messaging.system. Empty means the System of the queue: see
	// [queue.SystemNamed]. If it has none, it is "gentask".
	System string

	// Queue is the attribute messaging.destination.name, and the label queue. Empty means the Name
	// of the queue: see [queue.Named].
	Queue string

	// Attributes are added to each metric of [Instrument], for example to distinguish two consumers
	// of one queue in one process. Their values must be few.
	Attributes []attribute.KeyValue

	// Interval is how often the broker is asked for what waits, while somebody collects the
	// metrics. Zero means 5 s; less than a second is an error.
	Interval time.Duration
}

// check returns an error that wraps queue.ErrConfig if a field makes no sense.
func (c Config) check() error {
	var errs []error
	if c.Interval != 0 && c.Interval < time.Second {
		errs = append(errs, fmt.Errorf(
			"telemetry: %w: Config.Interval is %v; want 0 for 5s, or 1s at least", queue.ErrConfig, c.Interval))
	}
	for i, a := range c.Attributes {
		if !a.Valid() {
			errs = append(errs, fmt.Errorf(
				"telemetry: %w: Config.Attributes[%d] has key %q and type %v; want a key and a value",
				queue.ErrConfig, i, a.Key, a.Value.Type()))
		}
	}
	return errors.Join(errs...)
}

func (c Config) tracer() trace.Tracer {
	p := c.TracerProvider
	if p == nil {
		p = otel.GetTracerProvider()
	}
	return p.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))
}

func (c Config) meter() metric.Meter {
	p := c.MeterProvider
	if p == nil {
		p = otel.GetMeterProvider()
	}
	return p.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))
}

func (c Config) propagator() propagation.TextMapPropagator {
	if c.Propagator == nil {
		return propagation.TraceContext{}
	}
	return c.Propagator
}

func (c Config) interval() time.Duration { return cmp.Or(c.Interval, 5*time.Second) }

// place is a queue, as the conventions name it.
type place struct{ system, queue string }

// placeOf returns the place of a source or a publisher.
func (c Config) placeOf(q any) place {
	p := place{system: c.System, queue: c.Queue}
	if named, ok := q.(queue.SystemNamed); ok {
		p.system = cmp.Or(p.system, named.System())
	}
	if named, ok := q.(queue.Named); ok {
		p.queue = cmp.Or(p.queue, named.Name())
	}
	p.system = cmp.Or(p.system, "gentask")
	return p
}

// spanName returns the name of a span, by the conventions "{operation name} {destination}".
func (p place) spanName(operation string) string {
	if p.queue == "" {
		return operation
	}
	return operation + " " + p.queue
}

// attributes returns those that all spans and metrics of an operation have.
func (p place) attributes(operation string, more ...attribute.KeyValue) []attribute.KeyValue {
	all := append(make([]attribute.KeyValue, 0, 4+len(more)),
		semconv.MessagingSystemKey.String(p.system), semconv.MessagingOperationName(operation))
	if p.queue != "" {
		all = append(all, semconv.MessagingDestinationName(p.queue))
	}
	return append(all, more...)
}
