// Package telemetry shows consumers and publishers to OpenTelemetry: as spans and metrics by its
// conventions for messaging systems, and as figures of their own.
//
//	cfg := telemetry.Config{} // the global providers
//
//	// Where messages are published:
//	publisher, err := telemetry.NewPublisher(q, cfg)
//
//	// Where they are consumed:
//	consumer, err := gentask.New(q, behavior, gentask.Config{Policy: gentask.Policy{
//		Middleware: []gentask.Middleware{telemetry.Middleware(cfg)},
//	}})
//	stop, err := telemetry.Instrument(consumer, cfg)
//	defer stop() // after the consumer has ended
//
// # Spans
//
// [Publisher] makes the span "send {queue}" and carries its context in the headers of the message.
// [Middleware] makes "process {queue}", with a link to that context. [Instrument] makes "ack
// {queue}", "nack {queue}" or "reject {queue}" when the delivery of a traced job has been settled.
// [Batch] makes one span for a batch. A delivery that was held and not started has no span.
//
// # Metrics
//
// [Instrument] and [Publisher] record messaging.process.duration,
// messaging.client.consumed.messages, messaging.client.sent.messages and
// messaging.client.operation.duration. Metrics beyond the conventions are named gentask., for
// example gentask.job.queue_time and gentask.queue.waiting. The labels are the queue, the kind of a
// job and its outcome, never an ID. docs/telemetry.md lists them all.
//
// # Providers that fail
//
// Tracers, meters, propagators and exporters are code of others. They are called contained, and
// never on the goroutine of a consumer's ledger. A call that panics, or does not return within a
// second, costs its span; a job waits no longer for it. When 16 calls hang, no more are made until
// one of them returns. Failures are reported to the error handler of OpenTelemetry (otel.Handle),
// at most once in 10 s.
//
//snippets:needs q *memory.Queue; behavior gentask.Behavior
package telemetry
