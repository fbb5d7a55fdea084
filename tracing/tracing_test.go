package tracing_test

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/gentasktest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/tracing"
)

// run takes a message that was published within a span through f, and returns the span of its job.
func run(t *testing.T, f func(context.Context) error) (published trace.SpanContext, span sdktrace.ReadOnlySpan) {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test")
	ctx, publishing := tracer.Start(t.Context(), "publish")
	msg := queue.Message{Body: []byte("1"), Headers: map[string]string{"kind": "a"}}
	original := msg.Headers
	tracing.Inject(ctx, nil, &msg)
	require.Len(t, original, 1, "a copy")
	gentasktest.Run(t, gentask.Handle(func(ctx context.Context, _ int) error { return f(ctx) }), msg,
		gentask.Config{Policy: gentask.Policy{Middleware: []gentask.Middleware{tracing.Middleware(tracer, nil)}}})
	require.Len(t, recorder.Ended(), 1)
	return publishing.SpanContext(), recorder.Ended()[0]
}

// TestMiddleware_ContinuesTheTrace of who published the message, and the job runs in its span.
func TestMiddleware_ContinuesTheTrace(t *testing.T) {
	var inside trace.SpanContext
	published, span := run(t,
		func(ctx context.Context) error { inside = trace.SpanContextFromContext(ctx); return nil })
	require.Equal(t, published.TraceID(), span.SpanContext().TraceID())
	require.Equal(t, published.SpanID(), span.Parent().SpanID())
	require.Equal(t, span.SpanContext(), inside)
	require.Equal(t, trace.SpanKindConsumer, span.SpanKind())
	require.Equal(t, codes.Unset, span.Status().Code)
}

// TestMiddleware_EndsTheSpan however the job ends.
func TestMiddleware_EndsTheSpan(t *testing.T) {
	for want, f := range map[string]func(context.Context) error{
		"refused":                     func(context.Context) error { return errors.New("refused") },
		"tracing: job did not return": func(context.Context) error { panic("x") },
	} {
		_, span := run(t, f)
		require.Equal(t, codes.Error, span.Status().Code)
		require.Equal(t, want, span.Status().Description)
	}
}

// TestMiddleware_RecordsWhatAPanicSaid, and where it came from.
func TestMiddleware_RecordsWhatAPanicSaid(t *testing.T) {
	for want, f := range map[string]func(context.Context) error{
		"panic: bug":     func(context.Context) error { panic("bug") },
		"runtime.Goexit": func(context.Context) error { runtime.Goexit(); return nil },
	} {
		_, span := run(t, f)
		require.Len(t, span.Events(), 1)
		said := map[string]string{}
		for _, a := range span.Events()[0].Attributes {
			said[string(a.Key)] = a.Value.AsString()
		}
		require.Contains(t, said["exception.message"], want)
		require.Contains(t, said["exception.stacktrace"], "TestMiddleware_RecordsWhatAPanicSaid")
	}
}

// TestInject writes what any program can read, into a message without headers too.
func TestInject(t *testing.T) {
	sc := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2},
		TraceFlags: trace.FlagsSampled,
	})
	var msg queue.Message
	tracing.Inject(trace.ContextWithSpanContext(t.Context(), sc), propagation.TraceContext{}, &msg)
	require.Equal(t, map[string]string{"traceparent": "00-01000000000000000000000000000000-0200000000000000-01"},
		msg.Headers)
}
