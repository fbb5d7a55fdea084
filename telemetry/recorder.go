package telemetry

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/messagingconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/feed"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

const (
	// mostSeries bounds the number of different sets of attributes. Further jobs are counted with
	// the error type _OTHER.
	mostSeries = 1000

	// together is the time within which settlements of one outcome count as one operation: they go
	// to the broker together.
	together = time.Millisecond

	// mostSettled is how many settlements may wait for the tracer.
	mostSettled = 4096
)

// recorder records the events of a consumer. Its method record is called on the goroutine of one
// subscription, and flush when metrics are collected, too.
type recorder struct {
	counted
	place   place
	more    []attribute.KeyValue // Config.Attributes
	tracer  *tracer
	settled *feed.Feed[gentask.Event]
	own     []metric.AddOption // of what concerns no job

	// done has what the jobs of one outcome need. Only the subscription adds to it.
	mu   sync.Mutex
	done map[outcome]*series
}

// series is the options of the metrics of jobs with one outcome, and what was counted since the
// last flush. The options are made once, because a set of attributes is dearer than a record.
type series struct {
	process, operation, queueTime []metric.RecordOption
	consumed, attempts            []metric.AddOption

	ended, started atomic.Int64
	settled        time.Time // when a settlement was last measured
}

// outcome is what distinguishes the metrics of jobs. Empty fields are no attributes.
type outcome struct {
	kind  string
	label string // how the delivery ended
	class string // error.type
}

func (c Config) newRecorder(p place) (*recorder, error) {
	instruments, err := newCounted(c.meter())
	r := &recorder{
		counted: instruments, place: p, more: c.Attributes, tracer: c.newTracer("telemetry.Instrument"),
		done: map[outcome]*series{},
	}
	r.settled = feed.New(r.tracer.hook, mostSettled, r.spanOf)
	r.own = addOption(r.ours(outcome{}))
	if err == nil { // from zero, or the first one is no increase
		r.opens.Add(context.Background(), 0, r.own...)
		r.refusals.Add(context.Background(), 0, r.own...)
	}
	return r, err
}

// recorded are the kinds of events that record is for.
var recorded = []gentask.EventKind{gentask.EventDone, gentask.EventSessionOpened, gentask.EventSettleFailed}

// record records an event.
func (r *recorder) record(ev gentask.Event) {
	switch ev.Kind { //nolint:exhaustive // the others are not recorded
	case gentask.EventDone:
		r.end(&ev)
	case gentask.EventSessionOpened:
		r.opens.Add(context.Background(), 1, r.own...)
	case gentask.EventSettleFailed:
		r.refusals.Add(context.Background(), 1, r.own...)
	}
}

// end records the end of a delivery. The context of its span makes exemplars.
func (r *recorder) end(ev *gentask.Event) {
	ctx := context.Background()
	if ev.Trace != "" {
		ctx = contextOf(ev.Trace)
	}
	s := r.seriesOf(ev)
	if ev.Outcome != 0 {
		s.ended.Add(1)
		r.process.Inst().Record(ctx, ev.RunTime.Seconds(), s.process...)
	}
	if ev.Outcome != 0 || ev.QueueTime > 0 {
		s.started.Add(1)
		r.queueTime.Record(ctx, ev.QueueTime.Seconds(), s.queueTime...)
	}
	if ev.SettleTime == 0 {
		return
	}
	if ev.Time.Sub(s.settled) >= together {
		s.settled = ev.Time
		r.operation.Inst().Record(ctx, ev.SettleTime.Seconds(), s.operation...)
	}
	if ev.Trace != "" {
		r.settled.Push(*ev)
	}
}

// flush adds what was counted to the counters. A counter costs about as much as a histogram, so it
// is not touched for each job.
func (r *recorder) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.done {
		if n := s.started.Swap(0); n > 0 {
			r.consumed.Inst().Add(context.Background(), n, s.consumed...)
		}
		if n := s.ended.Swap(0); n > 0 {
			r.attempts.Add(context.Background(), n, s.attempts...)
		}
	}
}

// spanOf makes the span of a settlement, a child of the job's.
func (r *recorder) spanOf(ev gentask.Event) {
	operation := operationOf(ev.Disposition)
	attributes := r.place.attributes(operation, settleType, semconv.MessagingMessageID(ev.ID),
		settlementKey.String(outcomeOf(ev.Disposition)), attemptKey.Int(ev.Attempt))
	begin := ev.Time.Add(-ev.SettleTime)
	_, span := r.tracer.Start(contextOf(ev.Trace), r.place.spanName(operation), trace.WithTimestamp(begin),
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	span.End(trace.WithTimestamp(ev.Time))
}

// seriesOf returns what a job needs that has ended in this way.
func (r *recorder) seriesOf(ev *gentask.Event) *series {
	o := outcome{kind: ev.JobKind, label: outcomeOf(ev.Disposition), class: classOf(ev)}
	if s := r.done[o]; s != nil { // only this goroutine writes
		return s
	}
	if len(r.done) >= mostSeries && o.class != "" {
		o.class = other
		if s := r.done[o]; s != nil {
			return s
		}
	}
	s := r.newSeries(o, operationOf(ev.Disposition))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[o] = s
	return s
}

func (r *recorder) newSeries(o outcome, settlement string) *series {
	process := r.theirs("process", o)
	if o.class != "" {
		process = append(process, semconv.ErrorTypeKey.String(o.class))
	}
	kind := outcome{kind: o.kind}
	return &series{
		process:   recordOption(attribute.NewSet(process...)),
		operation: recordOption(attribute.NewSet(append(r.theirs(settlement, o), settleType)...)),
		queueTime: recordOption(r.ours(kind)),
		consumed:  addOption(attribute.NewSet(r.theirs("process", kind)...)),
		attempts:  addOption(r.ours(o)),
	}
}

func addOption(set attribute.Set) []metric.AddOption {
	return []metric.AddOption{metric.WithAttributeSet(set)}
}

func recordOption(set attribute.Set) []metric.RecordOption {
	return []metric.RecordOption{metric.WithAttributeSet(set)}
}

// theirs returns the attributes of a metric of the conventions.
func (r *recorder) theirs(operation string, o outcome) []attribute.KeyValue {
	return append(r.place.attributes(operation, o.labels()...), r.more...)
}

// ours returns the attributes of a metric that is named gentask.
func (r *recorder) ours(o outcome) attribute.Set {
	return attribute.NewSet(append(append([]attribute.KeyValue{queueLabel.String(r.place.queue)}, o.labels()...),
		r.more...)...)
}

// labels returns the kind and the outcome, as far as there are any.
func (o outcome) labels() (all []attribute.KeyValue) {
	if o.kind != "" {
		all = append(all, kindLabel.String(o.kind))
	}
	if o.label != "" {
		all = append(all, outcomeLabel.String(o.label))
	}
	return all
}

// classOf returns the error.type of a job that has failed; empty for one that has not.
func classOf(ev *gentask.Event) string {
	switch {
	case ev.Outcome == task.Timeout:
		return "timeout"
	case ev.Outcome == task.Exit && failed(ev.Reason):
		return errorType(ev.Reason).Value.AsString()
	}
	return ""
}

var settleType = operationType(messagingconv.OperationTypeSettle)

// operationOf returns the name of the operation that settles, as brokers know it.
func operationOf(d queue.Disposition) string {
	switch d {
	case queue.Ack:
		return "ack"
	case queue.Requeue, queue.Release:
		return "nack"
	case queue.DeadLetter:
		return "reject"
	}
	return "lost"
}

// outcomeOf returns the label of a disposition.
func outcomeOf(d queue.Disposition) string {
	switch d {
	case queue.Ack:
		return "ack"
	case queue.Requeue:
		return "requeue"
	case queue.Release:
		return "release"
	case queue.DeadLetter:
		return "dead_letter"
	}
	return "lost"
}

// wait returns when the spans of all settlements so far have ended, or their tracer hangs.
func (r *recorder) wait(limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_ = r.settled.Wait(ctx, limit) // a tracer that hangs is left
}
