package tracing_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/tracing"
)

// The job belongs to the trace of who published it. A program would take the tracer of its own
// provider.
func Example() {
	tracer := noop.NewTracerProvider().Tracer("mailer")
	q := memory.New(memory.Config{})
	defer q.Close()

	request := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{15: 1}, SpanID: trace.SpanID{7: 2}})
	msg := queue.Message{Body: []byte("anna")}
	tracing.Inject(trace.ContextWithSpanContext(context.Background(), request), nil, &msg)
	if err := q.Publish(context.Background(), msg); err != nil {
		fmt.Println(err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	err := gentask.Run(ctx, q, gentask.Handle(func(ctx context.Context, to string) error {
		defer cancel()
		fmt.Println("to", to, "in trace", trace.SpanContextFromContext(ctx).TraceID())
		return nil
	}), gentask.Config{Policy: gentask.Policy{Middleware: []gentask.Middleware{tracing.Middleware(tracer, nil)}}})
	fmt.Println(err)
	// Output:
	// to anna in trace 00000000000000000000000000000001
	// <nil>
}
