package telemetry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/messagingconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// Publisher publishes over another publisher, and shows what it does. Make one with [NewPublisher].
// It is safe for concurrent use, as far as the other one is.
//
// A message alone is sent in a span "send {queue}", whose context goes into the headers of the
// message: its creation context. Several messages have a span "create {queue}" each, and the span
// "send {queue}" has links to them. A message whose headers have a context already keeps that, so
// that one which is passed on, for example by an outbox, belongs to who has made it.
//
// Each message is counted in messaging.client.sent.messages, and each call is measured in
// messaging.client.operation.duration. The attribute error.type of a message that was not confirmed
// is the name of the error's type. Publish returns what the other publisher returns. A provider
// that fails costs a second at most.
type Publisher struct {
	tracer   *tracer
	to       queue.Publisher
	place    place
	sent     messagingconv.ClientSentMessages
	duration messagingconv.ClientOperationDuration
}

// NewPublisher returns a Publisher over to. It returns an error that wraps queue.ErrConfig if to is
// nil or cfg makes no sense, and the error of a meter that makes no instruments.
func NewPublisher(to queue.Publisher, cfg Config) (*Publisher, error) {
	if to == nil {
		return nil, fmt.Errorf("telemetry: %w: publisher is nil; want a queue", queue.ErrConfig)
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	p := &Publisher{tracer: cfg.newTracer("telemetry.Publisher"), to: to, place: cfg.placeOf(to)}
	meter := cfg.meter()
	var failed [2]error
	p.sent, failed[0] = messagingconv.NewClientSentMessages(meter)
	p.duration, failed[1] = messagingconv.NewClientOperationDuration(meter, buckets)
	return p, errors.Join(failed[:]...)
}

var _ interface {
	queue.ResultPublisher
	queue.Deduplicator
	queue.Named
	queue.SystemNamed
} = (*Publisher)(nil)

// Publish implements [queue.Publisher]. A message without an ID gets one.
func (p *Publisher) Publish(ctx context.Context, msgs ...queue.Message) error {
	return p.send(ctx, msgs, func(ctx context.Context, msgs []queue.Message) error {
		return p.to.Publish(ctx, msgs...)
	})
}

// PublishResults implements [queue.ResultPublisher], also over a publisher that is none, as
// [queue.PublishResults] does. A message without an ID gets one.
func (p *Publisher) PublishResults(ctx context.Context, msgs ...queue.Message) ([]queue.PublishResult, error) {
	var results []queue.PublishResult
	err := p.send(ctx, msgs, func(ctx context.Context, msgs []queue.Message) (err error) {
		results, err = queue.PublishResults(ctx, p.to, msgs...)
		return err
	})
	return results, err
}

// UniqueWindow implements [queue.Deduplicator]. Its error wraps [queue.ErrUnsupported] if the other
// publisher is none.
func (p *Publisher) UniqueWindow(ctx context.Context) (time.Duration, error) {
	if d, ok := p.to.(queue.Deduplicator); ok {
		return d.UniqueWindow(ctx)
	}
	return 0, fmt.Errorf("telemetry: %w: a %T does not remember keys", queue.ErrUnsupported, p.to)
}

// Name returns the attribute messaging.destination.name of the messages; empty if there is none.
func (p *Publisher) Name() string { return p.place.queue }

// System returns the attribute messaging.system of the messages.
func (p *Publisher) System() string { return p.place.system }

// Unwrap returns the other publisher.
func (p *Publisher) Unwrap() queue.Publisher { return p.to }

// send publishes copies of msgs that have a creation context.
func (p *Publisher) send(
	ctx context.Context, msgs []queue.Message, publish func(context.Context, []queue.Message) error,
) error {
	if len(msgs) == 0 {
		return publish(ctx, msgs)
	}
	msgs = slices.Clone(msgs)
	for i := range msgs {
		if msgs[i].ID == "" {
			msgs[i].ID = rand.Text()
		}
	}
	begin := time.Now()
	s, ok := within(p.tracer.contained, func() sending { return p.start(ctx, slices.Clone(msgs)) })
	if ok {
		ctx, msgs = s.ctx, s.msgs
	}
	err := publish(ctx, msgs)
	p.tracer.end(s.span, first(err))
	p.measure(ctx, len(msgs), err, time.Since(begin))
	return err
}

// sending is the span of messages that are being sent, and the messages with their contexts.
type sending struct {
	started
	msgs []queue.Message
}

// start starts the span for messages of its own. It is called within.
func (p *Publisher) start(ctx context.Context, msgs []queue.Message) sending {
	if len(msgs) == 1 {
		return p.startOne(ctx, msgs)
	}
	var links []trace.Link
	for i := range msgs {
		m := &msgs[i]
		creation := creationOf(p.tracer.propagator, m.Headers)
		if !creation.IsValid() {
			creation = p.create(ctx, m)
		}
		if creation.IsValid() {
			links = append(links, linkTo(creation, m.ID))
		}
	}
	return sending{p.startSend(ctx, trace.SpanKindClient, links, semconv.MessagingBatchMessageCount(len(msgs))), msgs}
}

// startOne starts the span of a single message, which is its creation context unless it has one.
func (p *Publisher) startOne(ctx context.Context, msgs []queue.Message) sending {
	m := &msgs[0]
	about := []attribute.KeyValue{
		semconv.MessagingMessageID(m.ID), semconv.MessagingMessageBodySize(len(m.Body)),
	}
	if creation := creationOf(p.tracer.propagator, m.Headers); creation.IsValid() {
		return sending{p.startSend(ctx, trace.SpanKindClient, []trace.Link{linkTo(creation, m.ID)}, about...), msgs}
	}
	s := p.startSend(ctx, trace.SpanKindProducer, nil, about...)
	m.Headers = injected(s.ctx, p.tracer.propagator, m.Headers)
	return sending{s, msgs}
}

func (p *Publisher) startSend(
	ctx context.Context, kind trace.SpanKind, links []trace.Link, more ...attribute.KeyValue,
) started {
	attributes := p.place.attributes("send", append(more, sendType)...)
	return p.tracer.begin(ctx, p.place.spanName("send"), trace.WithSpanKind(kind),
		trace.WithAttributes(attributes...), trace.WithLinks(links...))
}

// create makes the span in which a message is created, and puts its context into the message.
func (p *Publisher) create(ctx context.Context, m *queue.Message) trace.SpanContext {
	attributes := p.place.attributes("create", createType, semconv.MessagingMessageID(m.ID))
	s := p.tracer.begin(ctx, p.place.spanName("create"), trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(attributes...))
	m.Headers = injected(s.ctx, p.tracer.propagator, m.Headers)
	s.span.End()
	return s.span.SpanContext()
}

var (
	sendType   = operationType(messagingconv.OperationTypeSend)
	createType = operationType(messagingconv.OperationTypeCreate)
)

// measure counts n messages that were sent, and how long that took. Those without a confirm are
// counted with the type of their error.
func (p *Publisher) measure(ctx context.Context, n int, err error, took time.Duration) {
	_, _ = within(p.tracer.contained, func() (none struct{}) {
		attributes := p.place.attributes("send")
		for class, count := range failures(n, err) {
			p.sent.AddSet(ctx, int64(count), attribute.NewSet(append(slices.Clone(attributes), class)...))
			n -= count
		}
		if n > 0 {
			p.sent.AddSet(ctx, int64(n), attribute.NewSet(attributes...))
		}
		attributes = append(attributes, sendType)
		if err != nil {
			attributes = append(attributes, errorType(guard.Seal(first(err))))
		}
		p.duration.RecordSet(ctx, took.Seconds(), attribute.NewSet(attributes...))
		return none
	})
}

// failures returns how many of n messages have no confirm, by the type of the error.
func failures(n int, err error) map[attribute.KeyValue]int {
	if err == nil {
		return nil
	}
	partly, ok := err.(*queue.PublishError) //nolint:errorlint // as publishers return it
	if !ok {
		return map[attribute.KeyValue]int{errorType(guard.Seal(err)): n}
	}
	all := map[attribute.KeyValue]int{}
	for _, f := range partly.Failed {
		all[errorType(guard.Seal(f.Err))]++
	}
	return all
}

// first returns the error of the first message without a confirm, or err if that lists none.
func first(err error) error {
	partly, ok := err.(*queue.PublishError) //nolint:errorlint // as publishers return it
	if ok && len(partly.Failed) > 0 {
		return partly.Failed[0].Err
	}
	return err
}

// buckets are the bounds that the conventions recommend for durations, in seconds.
var buckets = metric.WithExplicitBucketBoundaries(
	0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
