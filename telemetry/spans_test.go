package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/telemetry"
)

// publish publishes messages over a traced publisher.
func (b *backend) publish(t *testing.T, ctx context.Context, q queue.Publisher, msgs ...queue.Message) {
	t.Helper()
	p, err := telemetry.NewPublisher(q, b.Config)
	require.NoError(t, err)
	require.NoError(t, p.Publish(ctx, msgs...))
}

// TestSpans_FollowTheConventions: names, kinds, attributes and links, of a message that is sent,
// processed and acknowledged.
func TestSpans_FollowTheConventions(t *testing.T) {
	for _, parent := range []bool{false, true} {
		t.Run(fmt.Sprintf("Parent=%v", parent), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBackend()
				b.Parent = parent
				q := memory.New(memory.Config{Name: "emails"})
				defer q.Close()
				b.publish(t, t.Context(), q, queue.Message{ID: "1", Body: []byte(`"anna"`)})
				var inside trace.SpanContext
				b.runAll(t, q, gentask.Handle(func(ctx context.Context, _ string) error {
					inside = trace.SpanContextFromContext(ctx)
					return nil
				}), gentask.Config{})

				send, process, ack := b.span(t, "send emails"), b.span(t, "process emails"), b.span(t, "ack emails")
				require.Len(t, b.spans.Ended(), 3)
				require.Equal(t, trace.SpanKindProducer, send.SpanKind())
				require.Equal(t, trace.SpanKindConsumer, process.SpanKind())
				require.Equal(t, trace.SpanKindClient, ack.SpanKind())
				about := func(name, operation string, more ...string) map[string]string {
					all := map[string]string{
						"messaging.system": "memory", "messaging.destination.name": "emails", "messaging.message.id": "1",
						"messaging.operation.name": name, "messaging.operation.type": operation,
					}
					for i := 0; i < len(more); i += 2 {
						all[more[i]] = more[i+1]
					}
					return all
				}
				const size = "messaging.message.body.size"
				require.Equal(t, about("send", "send", size, "6"), textsOf(send.Attributes()))
				require.Equal(t, about("process", "process", size, "6", "gentask.attempt", "1"), textsOf(process.Attributes()))
				require.Equal(t, about("ack", "settle", "gentask.settlement", "ack", "gentask.attempt", "1"),
					textsOf(ack.Attributes()))

				require.Len(t, process.Links(), 1)
				require.Equal(t, send.SpanContext().SpanID(), process.Links()[0].SpanContext.SpanID())
				require.Equal(t, map[string]string{"messaging.message.id": "1"}, textsOf(process.Links()[0].Attributes))
				require.Equal(t, process.SpanContext(), inside)
				require.Equal(t, process.SpanContext().SpanID(), ack.Parent().SpanID())
				require.Equal(t, process.SpanContext().TraceID(), ack.SpanContext().TraceID())
				require.Equal(t, codes.Unset, process.Status().Code)
				require.Equal(t, parent, send.SpanContext().TraceID() == process.SpanContext().TraceID())
				if parent {
					require.Equal(t, send.SpanContext().SpanID(), process.Parent().SpanID())
				} else {
					require.False(t, process.Parent().IsValid())
				}
				for _, s := range b.spans.Ended() {
					require.Equal(t, "github.com/gentask/gentask/telemetry", s.InstrumentationScope().Name)
					require.Contains(t, s.InstrumentationScope().SchemaURL, "1.43.0")
				}
			})
		})
	}
}

// myError is an error of a type of its own, whose text differs each time.
type myError struct{ n int }

func (e *myError) Error() string { return fmt.Sprintf("number %d", e.n) }

// TestSpans_OfFailures have a class of low cardinality, never a text, and how the delivery was
// settled. A decision that is no failure is no error.
func TestSpans_OfFailures(t *testing.T) {
	const no = ""
	for name, one := range map[string]struct {
		f             func(context.Context) error
		class, settle string
	}{
		"value":       {func(context.Context) error { return nil }, no, "ack emails"},
		"error":       {func(context.Context) error { return errors.New("42") }, "*errors.errorString", "reject emails"},
		"wrapped":     {func(context.Context) error { return fmt.Errorf("at 12: %w", &myError{7}) }, "*telemetry_test.myError", "reject emails"},
		"of std":      {func(context.Context) error { return &fs.PathError{Err: errors.New("7")} }, "*fs.PathError", "reject emails"},
		"panic":       {func(context.Context) error { panic("42") }, "panic", "reject emails"},
		"goexit":      {func(context.Context) error { runtime.Goexit(); return nil }, "goexit", "reject emails"},
		"timeout":     {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, "timeout", "reject emails"},
		"dead letter": {func(context.Context) error { return gentask.DeadLetter(&myError{8}) }, "*telemetry_test.myError", "reject emails"},
		"ack":         {func(context.Context) error { return gentask.Ack() }, no, "ack emails"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBackend()
				q := memory.New(memory.Config{Name: "emails"})
				defer q.Close()
				b.publish(t, t.Context(), q, queue.Message{ID: "1", Body: []byte(`1`)})
				b.runAll(t, q, gentask.Handle(func(ctx context.Context, _ int) error { return one.f(ctx) }),
					gentask.Config{Retry: gentask.Retry{MaxAttempts: 1}})
				process := b.span(t, "process emails")
				got := textsOf(process.Attributes())
				require.Equal(t, one.class, got["error.type"])
				require.Equal(t, one.class != no, process.Status().Code == codes.Error)
				require.Len(t, b.all(one.settle), 1, b.names())
				duration := points(t, b.metrics(t)["messaging.process.duration"])
				require.Len(t, duration, 1)
				require.Equal(t, one.class, duration[0].attributes["error.type"], "as in the span")
				if one.class == "panic" {
					event := process.Events()[0]
					require.Equal(t, "exception", event.Name)
					require.Contains(t, textsOf(event.Attributes)["exception.stacktrace"], "TestSpans_OfFailures")
				}
			})
		})
	}
}

// TestSpans_OfRetries: each attempt has a span, with a link to the same creation context, and each
// nack says what it was for.
func TestSpans_OfRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		q := memory.New(memory.Config{Name: "emails"})
		defer q.Close()
		b.publish(t, t.Context(), q, queue.Message{Body: []byte(`1`)})
		runs := 0
		b.runAll(t, q, gentask.Handle(func(context.Context, int) error {
			switch runs++; runs {
			case 1:
				return errors.New("down")
			case 2:
				return gentask.Snooze(time.Minute)
			}
			return nil
		}), gentask.Config{})
		process := b.all("process emails")
		require.Len(t, process, 3)
		for i, s := range process {
			require.Equal(t, b.span(t, "send emails").SpanContext().SpanID(), s.Links()[0].SpanContext.SpanID())
			require.Equal(t, []string{"1", "2", "2"}[i], textsOf(s.Attributes())["gentask.attempt"])
		}
		require.Equal(t, codes.Unset, process[1].Status().Code, "a snooze is no failure")
		nacks := b.all("nack emails")
		require.Len(t, nacks, 2)
		require.Equal(t, "requeue", textsOf(nacks[0].Attributes())["gentask.settlement"])
		require.Equal(t, "release", textsOf(nacks[1].Attributes())["gentask.settlement"])
	})
}

// TestSpans_NotOfWhatWasNotStarted: deliveries that are held and given back have none.
func TestSpans_NotOfWhatWasNotStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		q := memory.New(memory.Config{Name: "emails"})
		defer q.Close()
		require.NoError(t, q.Publish(t.Context(), make([]queue.Message, 10)...))
		c, err := gentask.New(q, gentask.Handle(func(ctx context.Context, _ []byte) error {
			<-ctx.Done()
			return ctx.Err()
		}), gentask.Config{
			Concurrency: 1, Prefetch: 10, DrainTimeout: -1,
			Policy: gentask.Policy{Middleware: []gentask.Middleware{telemetry.Middleware(b.Config)}},
		})
		require.NoError(t, err)
		stop := instrument(t, c, b.Config)
		require.NoError(t, c.Start())
		synctest.Wait()
		_, err = c.Stop(t.Context())
		require.NoError(t, err)
		stop()
		require.ElementsMatch(t, []string{"process emails", "nack emails"}, b.names())
		require.Equal(t, "drained", textsOf(b.span(t, "process emails").Attributes())["error.type"])
		operations := points(t, b.metrics(t)["messaging.client.operation.duration"])
		require.NotEmpty(t, operations, "the settlements of the others are measured, too")
	})
}

// TestPublisher_OfSeveral makes a creation context for each message, and a span of sending with
// links to them. A context that a message has is kept.
func TestPublisher_OfSeveral(t *testing.T) {
	b := newBackend()
	q := memory.New(memory.Config{Name: "emails"})
	defer q.Close()
	ctx, request := b.TracerProvider.Tracer("test").Start(t.Context(), "request")
	made := queue.Message{ID: "made", Headers: map[string]string{"kind": "a"}}
	own := made.Headers
	telemetry.Inject(ctx, nil, &made)
	require.Len(t, own, 1, "a copy")
	b.publish(t, ctx, q, queue.Message{ID: "1"}, made, queue.Message{ID: "2"})

	send, creates := b.span(t, "send emails"), b.all("create emails")
	require.Equal(t, trace.SpanKindClient, send.SpanKind())
	require.Equal(t, "3", textsOf(send.Attributes())["messaging.batch.message_count"])
	require.NotContains(t, textsOf(send.Attributes()), "messaging.message.id")
	require.Len(t, creates, 2)
	var links []trace.SpanID
	for _, l := range send.Links() {
		links = append(links, l.SpanContext.SpanID())
	}
	want := []trace.SpanID{creates[0].SpanContext().SpanID(), request.SpanContext().SpanID(), creates[1].SpanContext().SpanID()}
	require.Equal(t, want, links)
	for _, s := range creates {
		require.Equal(t, trace.SpanKindProducer, s.SpanKind())
		require.Equal(t, "create", textsOf(s.Attributes())["messaging.operation.type"])
		require.Equal(t, request.SpanContext().SpanID(), s.Parent().SpanID())
	}
	var got []trace.SpanID
	s, err := q.Open(t.Context(), queue.Options{Prefetch: 3})
	require.NoError(t, err)
	for range 3 {
		d, err := s.Receive(t.Context())
		require.NoError(t, err)
		require.Regexp(t, "^00-"+request.SpanContext().TraceID().String()+"-[0-9a-f]{16}-01$", d.Headers["traceparent"])
		id, err := trace.SpanIDFromHex(d.Headers["traceparent"][36:52])
		require.NoError(t, err)
		got = append(got, id)
	}
	require.Equal(t, want, got)
}

// TestBatch has one span with a link to each of its messages, and all of its settlements belong to
// it.
func TestBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		q := memory.New(memory.Config{Name: "rows"})
		defer q.Close()
		for range 3 {
			b.publish(t, t.Context(), q, queue.Message{Body: []byte(`1`)})
		}
		insert := func(ctx context.Context, jobs []gentask.Job[int]) (gentask.Results, error) {
			require.True(t, trace.SpanContextFromContext(ctx).IsValid())
			results := gentask.AllDone(jobs)
			results[jobs[1].ID()] = gentask.DeadLetter(errors.New("no"))
			return results, nil
		}
		b.runAll(t, q, gentask.Batch(telemetry.Batch(b.Config, insert), gentask.BatchConfig{Size: 3}), gentask.Config{})
		process := b.span(t, "process rows")
		require.Equal(t, trace.SpanKindConsumer, process.SpanKind())
		got := textsOf(process.Attributes())
		require.Equal(t, "3", got["messaging.batch.message_count"])
		require.Equal(t, "1", got["gentask.batch.failed"])
		require.NotContains(t, got, "messaging.message.id")
		linked := map[trace.SpanID]bool{}
		for _, l := range process.Links() {
			linked[l.SpanContext.SpanID()] = true
		}
		for _, s := range b.all("send rows") {
			require.True(t, linked[s.SpanContext().SpanID()])
		}
		require.Len(t, linked, 3)
		settled := append(b.all("ack rows"), b.all("reject rows")...)
		require.Len(t, settled, 3)
		for _, s := range settled {
			require.Equal(t, process.SpanContext().SpanID(), s.Parent().SpanID())
		}
		require.Nil(t, telemetry.Batch[int](b.Config, nil))
	})
}

// TestBatch_ThatCrashes fails as a whole, and its panic goes on.
func TestBatch_ThatCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		q := memory.New(memory.Config{Name: "rows"})
		defer q.Close()
		require.NoError(t, q.Publish(t.Context(), queue.Message{Body: []byte("1")}))
		crash := func(context.Context, []gentask.Job[int]) (gentask.Results, error) { panic("bug") }
		b.runAll(t, q, gentask.Batch(telemetry.Batch(b.Config, crash), gentask.BatchConfig{}),
			gentask.Config{Retry: gentask.Retry{MaxAttempts: 1}})
		require.Equal(t, "panic", textsOf(b.span(t, "process rows").Attributes())["error.type"])
		require.Len(t, b.all("reject rows"), 1)
		require.Contains(t, q.DeadLetters()[0].Headers[queue.HeaderReason], "bug")
	})
}

// TestMiddleware_OfAChild: a message that a job publishes belongs to the job's span.
func TestMiddleware_OfAChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.Parent = true
		q := memory.New(memory.Config{Name: "emails"})
		defer q.Close()
		p, err := telemetry.NewPublisher(q, b.Config)
		require.NoError(t, err)
		require.NoError(t, p.Publish(t.Context(), queue.Message{Body: []byte("2")}))
		b.runAll(t, q, gentask.Handle(func(ctx context.Context, left int) error {
			if left == 1 {
				return nil
			}
			return p.Publish(ctx, queue.Message{Body: []byte("1")})
		}), gentask.Config{})
		traces := map[trace.TraceID]bool{}
		for _, s := range b.spans.Ended() {
			traces[s.SpanContext().TraceID()] = true
		}
		require.Len(t, traces, 1, b.names())
		require.Len(t, b.spans.Ended(), 6)
	})
}
