package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
)

// Batch wraps the function of a [gentask.Batch], so that each batch is handled in one span "process
// {queue}". The span has a link to the creation context of each of its messages. It fails as a
// whole only; gentask.batch.failed counts the jobs that failed by their results. A nil function
// stays nil.
//
//	gentask.Batch(telemetry.Batch(cfg, insertAll), gentask.BatchConfig{Size: 100})
//
//snippets:needs cfg telemetry.Config
//snippets:needs insertAll func(context.Context, []gentask.Job[string]) (gentask.Results, error)
func Batch[J any](
	cfg Config, handle func(context.Context, []gentask.Job[J]) (gentask.Results, error),
) func(context.Context, []gentask.Job[J]) (gentask.Results, error) {
	if handle == nil {
		return nil
	}
	t := cfg.newTracer("telemetry.Batch")
	return func(ctx context.Context, jobs []gentask.Job[J]) (results gentask.Results, err error) {
		ctx, span := startBatch(ctx, t, jobs)
		returned := false
		defer func() {
			panicked := recover()
			reason := actor.Recovered(panicked, returned)
			if reason == nil {
				reason = why(ctx, err)
			}
			t.end(span, reason, batchFailures.Int(countFailed(results)))
			if panicked != nil {
				panic(reason)
			}
		}()
		results, err = handle(ctx, jobs)
		returned = true
		return results, err
	}
}

// startBatch starts the span of a batch. Without one, it returns ctx and nil.
func startBatch[J any](ctx context.Context, t *tracer, jobs []gentask.Job[J]) (context.Context, trace.Span) {
	if len(jobs) == 0 {
		return ctx, nil
	}
	s, ok := within(t.contained, func() started {
		place := t.cfg.placeOf(jobs[0].Source())
		attributes := place.attributes("process", processType, semconv.MessagingBatchMessageCount(len(jobs)))
		if kind := jobs[0].Kind(); kind != "" {
			attributes = append(attributes, kindKey.String(kind))
		}
		var links []trace.Link
		for _, job := range jobs {
			if creation := creationOf(t.propagator, job.Headers()); creation.IsValid() {
				links = append(links, linkTo(creation, job.ID()))
			}
		}
		return t.begin(ctx, place.spanName("process"), trace.WithSpanKind(trace.SpanKindConsumer),
			trace.WithAttributes(attributes...), trace.WithLinks(links...))
	})
	if !ok {
		return ctx, nil
	}
	for _, job := range jobs {
		job.SetTrace(s.traceparent)
	}
	return s.ctx, s.span
}

func countFailed(results gentask.Results) (n int) {
	for _, err := range results {
		if err != nil {
			n++
		}
	}
	return n
}
