package telemetry

import (
	"context"
	"fmt"
	"maps"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// Attributes of spans and metrics that the conventions don't have.
const (
	attemptKey    = attribute.Key("gentask.attempt")
	kindKey       = attribute.Key("gentask.kind")
	settlementKey = attribute.Key("gentask.settlement")
	batchFailures = attribute.Key("gentask.batch.failed")
)

// Inject adds the span of ctx to the headers of msg, which it replaces by a copy. It is for
// messages that no [Publisher] publishes, for example those of an outbox. A nil propagator means
// [propagation.TraceContext]. A Publisher keeps a context that a message has.
func Inject(ctx context.Context, p propagation.TextMapPropagator, msg *queue.Message) {
	msg.Headers = injected(ctx, Config{Propagator: p}.propagator(), msg.Headers)
}

// injected returns a copy of headers with the span of ctx.
func injected(ctx context.Context, p propagation.TextMapPropagator, headers map[string]string) map[string]string {
	headers = maps.Clone(headers)
	if headers == nil {
		headers = map[string]string{}
	}
	p.Inject(ctx, propagation.MapCarrier(headers))
	return headers
}

// creationOf returns the context in which a message was created; an invalid one if it has none.
func creationOf(p propagation.TextMapPropagator, headers map[string]string) trace.SpanContext {
	return trace.SpanContextFromContext(p.Extract(context.Background(), propagation.MapCarrier(headers)))
}

// linkTo returns a link to the creation context of a message.
func linkTo(creation trace.SpanContext, id string) trace.Link {
	return trace.Link{SpanContext: creation, Attributes: []attribute.KeyValue{semconv.MessagingMessageID(id)}}
}

// tracer makes spans, contained.
type tracer struct {
	*contained
	trace.Tracer
	propagator propagation.TextMapPropagator
	cfg        Config
}

func (c Config) newTracer(name string) *tracer {
	return &tracer{contained: newContained(name), Tracer: c.tracer(), propagator: c.propagator(), cfg: c}
}

// started is a span with the context of what runs in it.
type started struct {
	ctx         context.Context //nolint:containedctx // a result
	span        trace.Span
	traceparent string
}

// begin starts a span. It must be called within.
func (t *tracer) begin(ctx context.Context, name string, opts ...trace.SpanStartOption) started {
	ctx, span := t.Start(ctx, name, opts...)
	return started{ctx, span, traceparent(span.SpanContext())}
}

// end ends a span: with an error if the operation has failed with err. The call is contained, and
// the caller waits for it.
func (t *tracer) end(span trace.Span, err error, more ...attribute.KeyValue) {
	if span == nil {
		return
	}
	now := time.Now()
	_, _ = within(t.contained, func() (none struct{}) {
		span.SetAttributes(more...)
		if sealed := guard.Seal(err); failed(sealed) {
			fail(span, sealed, now)
		}
		span.End(trace.WithTimestamp(now))
		return none
	})
}

// fail records a sealed error in a span.
func fail(span trace.Span, sealed error, now time.Time) {
	class := errorType(sealed)
	more := []trace.EventOption{trace.WithTimestamp(now)}
	if stack := actor.Stack(sealed); stack != "" {
		more = append(more, trace.WithAttributes(semconv.ExceptionStacktrace(stack)))
	}
	span.RecordError(sealed, more...)
	span.SetAttributes(class)
	span.SetStatus(codes.Error, sealed.Error())
}

// traceparent returns the W3C's form of a span context; empty if that is invalid.
func traceparent(sc trace.SpanContext) string {
	if !sc.IsValid() {
		return ""
	}
	return fmt.Sprintf("00-%s-%s-%s", sc.TraceID(), sc.SpanID(), sc.TraceFlags()&trace.FlagsSampled)
}

// contextOf returns a context with the span of a traceparent.
func contextOf(traceparent string) context.Context {
	return propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": traceparent})
}
