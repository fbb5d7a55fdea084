// Package tracing carries OpenTelemetry traces over a queue: from the publisher of a message, in
// its headers, to the task that runs its job. By default the headers are the W3C's (traceparent,
// tracestate), which any other program can read and write.
//
//	// Before Publish:
//	tracing.Inject(ctx, nil, &msg)
//	// In the consumer:
//	cfg.Policy.Middleware = []gentask.Middleware{tracing.Middleware(tracer, nil)}
package tracing

import (
	"cmp"
	"context"
	"maps"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
)

// Inject adds the span of ctx to the headers of msg, which it replaces by a copy. A nil propagator
// means [propagation.TraceContext].
func Inject(ctx context.Context, p propagation.TextMapPropagator, msg *queue.Message) {
	headers := maps.Clone(msg.Headers)
	if headers == nil {
		headers = map[string]string{}
	}
	or(p).Inject(ctx, propagation.MapCarrier(headers))
	msg.Headers = headers
}

// Middleware runs each job in a span of its own, made by tracer. Its parent is the span in the
// message's headers, if there is one. The span of a job that fails has its error, also if it
// panicked or called runtime.Goexit. A nil propagator means [propagation.TraceContext].
func Middleware(tracer trace.Tracer, p propagation.TextMapPropagator) gentask.Middleware {
	p = or(p)
	return func(next gentask.RunFunc) gentask.RunFunc {
		return func(ctx context.Context, job gentask.Job[any]) (value any, err error) {
			ctx = p.Extract(ctx, propagation.MapCarrier(job.Headers()))
			ctx, span := tracer.Start(ctx, "process", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
				attribute.String("messaging.system", "gentask"),
				attribute.String("messaging.message.id", job.ID()),
				attribute.Int("gentask.attempt", job.Attempt()),
			))
			returned := false
			defer func() {
				panicked := recover()
				if reason := actor.Recovered(panicked, returned); reason != nil {
					end(span, reason, "tracing: job did not return")
					if panicked != nil {
						panic(reason) // the task gets it with its first stack
					}
					return
				}
				end(span, err, "")
			}()
			value, err = next(ctx, job)
			returned = true
			return value, err
		}
	}
}

// end ends the span of a job that failed with err, or succeeded. An empty status means the error's
// text.
func end(span trace.Span, err error, status string) {
	if err != nil {
		var more []trace.EventOption
		if stack := actor.Stack(err); stack != "" {
			more = append(more, trace.WithAttributes(attribute.String("exception.stacktrace", stack)))
		}
		span.RecordError(err, more...)
		span.SetStatus(codes.Error, cmp.Or(status, err.Error()))
	}
	span.End()
}

func or(p propagation.TextMapPropagator) propagation.TextMapPropagator {
	if p == nil {
		return propagation.TraceContext{}
	}
	return p
}
