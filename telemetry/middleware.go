package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/messagingconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
)

// Middleware returns a middleware that runs each job in a span "process {queue}" of its own. It
// should be the first one, so that the span has what the others do.
//
// The span has a link to the context in which the message was created, if its headers have one, and
// with [Config.Parent] that is the span's parent. It ends with the run. The span of a job that
// fails has its error, also if it panicked or called runtime.Goexit. Its attribute error.type is
// "panic", "goexit", "timeout", "cancelled", "drained", "session_lost", "expired", or the name of
// the error's type. A [gentask.Decision] that is returned as an error is no failure, unless it is a
// Requeue or a DeadLetter.
//
// The job's context has the span. Events and log records of the job have its trace: see
// [gentask.Job.SetTrace]. The jobs of a [gentask.Batch] have no spans of their own: see [Batch].
func Middleware(cfg Config) gentask.Middleware {
	t := cfg.newTracer("telemetry.Middleware")
	return func(next gentask.RunFunc) gentask.RunFunc {
		return func(ctx context.Context, job gentask.Job[any]) (any, error) {
			if job.Batched() {
				return next(ctx, job)
			}
			return t.run(ctx, job, next)
		}
	}
}

// run runs a job in its span.
func (t *tracer) run(ctx context.Context, job gentask.Job[any], next gentask.RunFunc) (value any, err error) {
	ctx, span := t.process(ctx, job)
	returned := false
	defer func() {
		panicked := recover()
		reason := actor.Recovered(panicked, returned)
		if reason == nil {
			reason = why(ctx, err)
		}
		t.end(span, reason)
		if panicked != nil {
			panic(reason) // the task gets it with its first stack
		}
	}()
	value, err = next(ctx, job)
	returned = true
	return value, err
}

// why returns the error of a run, with the cause of its context if that has ended it.
func why(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return &interrupted{err: err, cause: cause}
	}
	return err
}

// interrupted is the error of a run whose context has ended.
type interrupted struct{ err, cause error }

func (e *interrupted) Error() string { return e.err.Error() }

func (e *interrupted) Unwrap() []error { return []error{e.err, e.cause} }

// process starts the span of a job. Without one, because the provider has failed, it returns ctx
// and nil.
func (t *tracer) process(ctx context.Context, job gentask.Job[any]) (context.Context, trace.Span) {
	s, ok := within(t.contained, func() started {
		parent, creation := t.parentOf(ctx, job.Headers())
		opts := []trace.SpanStartOption{
			trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(t.attributesOf(job)...),
		}
		if creation.IsValid() {
			opts = append(opts, trace.WithLinks(linkTo(creation, job.ID())))
		}
		return t.begin(parent, t.cfg.placeOf(job.Source()).spanName("process"), opts...)
	})
	if !ok {
		return ctx, nil
	}
	job.SetTrace(s.traceparent)
	return s.ctx, s.span
}

// parentOf returns the context in which the span of a message is started, and the one in which the
// message was created. Other things that the headers propagate, such as baggage, are in the first.
func (t *tracer) parentOf(ctx context.Context, headers map[string]string) (context.Context, trace.SpanContext) {
	around := trace.SpanFromContext(ctx)
	creation := creationOf(t.propagator, headers)
	extracted := t.propagator.Extract(ctx, propagation.MapCarrier(headers))
	if t.cfg.Parent && creation.IsValid() {
		return extracted, creation
	}
	return trace.ContextWithSpan(extracted, around), creation
}

// attributesOf returns the attributes of the span of a job.
func (t *tracer) attributesOf(job gentask.Job[any]) []attribute.KeyValue {
	all := t.cfg.placeOf(job.Source()).attributes("process", processType,
		semconv.MessagingMessageID(job.ID()), semconv.MessagingMessageBodySize(len(job.Body())),
		attemptKey.Int(job.Attempt()))
	if kind := job.Kind(); kind != "" {
		all = append(all, kindKey.String(kind))
	}
	if id := job.Properties().CorrelationID; id != "" {
		all = append(all, semconv.MessagingMessageConversationID(id))
	}
	return all
}

// processType is the attribute of the type of an operation that processes.
var processType = operationType(messagingconv.OperationTypeProcess)

func operationType(t messagingconv.OperationTypeAttr) attribute.KeyValue {
	return semconv.MessagingOperationTypeKey.String(string(t))
}
