package gentask

import "github.com/gentask/gentask/queue"

// Source returns the queue that the consumer was made with.
func (c *Consumer) Source() queue.Source { return c.source }

// Source returns the queue that the job comes from: that of its consumer.
func (j Job[J]) Source() queue.Source { return j.entry.incarnation.instance.source }

// Kind returns the name by which [Mux] or [MuxKinds] has selected the job's behaviour: the
// innermost one, if they are nested. It is empty without a Mux, and for a message that its Mux does
// not list, so it has only values that the program has given.
func (j Job[J]) Kind() string { return j.entry.cfg.behavior.kindOf(&j.entry.delivery.Message) }

// Batched reports whether the job is handled by a [Batch], with others.
func (j Job[J]) Batched() bool { return j.entry.cfg.behavior.of(&j.entry.delivery.Message).batched }

// SetTrace records the trace context in which the job runs, in the form of the W3C header
// traceparent. The job's events have it as [Event.Trace], and its log records have its trace ID.
// It is called by instrumentation, such as the middleware of package telemetry, and may be called
// again. The empty string means none. A text longer than 128 bytes is cut.
func (j Job[J]) SetTrace(traceparent string) {
	j.entry.keepNotes(func(n *notes) {
		n.trace, n.logger = traceparent[:min(len(traceparent), maxTrace)], nil
	})
}

// maxTrace is the most bytes of a trace context. Version 00 has 55.
const maxTrace = 128
