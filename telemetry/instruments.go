package telemetry

import (
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/semconv/v1.43.0/messagingconv"
)

// The labels of the metrics that are named gentask., which the conventions don't have. kindLabel
// and outcomeLabel are those of the others, too.
const (
	queueLabel   = attribute.Key("queue")
	kindLabel    = attribute.Key("kind")
	outcomeLabel = attribute.Key("outcome")
)

// counted are the instruments that the events of a consumer are recorded in.
type counted struct {
	consumed  messagingconv.ClientConsumedMessages
	process   messagingconv.ProcessDuration
	operation messagingconv.ClientOperationDuration
	queueTime metric.Float64Histogram
	attempts  metric.Int64Counter
	opens     metric.Int64Counter
	refusals  metric.Int64Counter
}

func newCounted(m metric.Meter) (c counted, err error) {
	var e [7]error
	c.consumed, e[0] = messagingconv.NewClientConsumedMessages(m)
	c.process, e[1] = messagingconv.NewProcessDuration(m, buckets)
	c.operation, e[2] = messagingconv.NewClientOperationDuration(m, buckets)
	c.queueTime, e[3] = m.Float64Histogram("gentask.job.queue_time", metric.WithUnit("s"),
		metric.WithDescription("Time from the publishing of a message until it is given to a worker."),
		metric.WithExplicitBucketBoundaries(0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4*3600, 24*3600))
	c.attempts, e[4] = m.Int64Counter("gentask.job.attempts", metric.WithUnit("{attempt}"),
		metric.WithDescription("Attempts of jobs that have ended, by what became of the delivery."))
	c.opens, e[5] = m.Int64Counter("gentask.session.opens", metric.WithUnit("{session}"),
		metric.WithDescription("Sessions with the broker that were opened."))
	c.refusals, e[6] = m.Int64Counter("gentask.settle.refusals", metric.WithUnit("{settlement}"),
		metric.WithDescription("Settlements that the broker did not take, each time."))
	return c, errors.Join(e[:]...)
}

// observed are the instruments that a consumer is asked for when metrics are collected.
type observed struct {
	held, running, abandoned metric.Int64ObservableUpDownCounter
	breaker, openKeys        metric.Int64ObservableGauge
	healthy, starved         metric.Int64ObservableGauge
	turnAge                  metric.Float64ObservableGauge
	hooks                    metric.Int64ObservableCounter
	waiting, letters         metric.Int64ObservableGauge
	oldest                   metric.Float64ObservableGauge
}

func newObserved(m metric.Meter) (o observed, err error) {
	var e [12]error
	o.held, e[0] = m.Int64ObservableUpDownCounter("gentask.held", metric.WithUnit("{delivery}"),
		metric.WithDescription("Deliveries that are held and not settled."))
	o.running, e[1] = m.Int64ObservableUpDownCounter("gentask.running", metric.WithUnit("{job}"),
		metric.WithDescription("Jobs that have a worker."))
	o.abandoned, e[2] = m.Int64ObservableUpDownCounter("gentask.abandoned", metric.WithUnit("{task}"),
		metric.WithDescription("Abandoned tasks that still run."))
	o.breaker, e[3] = m.Int64ObservableGauge("gentask.breaker.state", metric.WithUnit("{state}"),
		metric.WithDescription("The consumer's breaker: 0 closed, 1 probing, 2 open."))
	o.openKeys, e[4] = m.Int64ObservableGauge("gentask.breaker.keys", metric.WithUnit("{key}"),
		metric.WithDescription("Keys whose breaker is not closed."))
	o.healthy, e[5] = m.Int64ObservableGauge("gentask.healthy", metric.WithUnit("{state}"),
		metric.WithDescription("1 while the consumer is healthy, and otherwise 0."))
	o.turnAge, e[6] = m.Float64ObservableGauge("gentask.ledger.turn_age", metric.WithUnit("s"),
		metric.WithDescription("Time since the consumer's ledger last made its round, which it does twice a second."))
	o.hooks, e[7] = m.Int64ObservableCounter("gentask.hook.failures", metric.WithUnit("{call}"),
		metric.WithDescription("Calls of handed-in functions that failed or were late, and lost events."))
	o.waiting, e[8] = m.Int64ObservableGauge("gentask.queue.waiting", metric.WithUnit("{message}"),
		metric.WithDescription("Messages that a free slot could get at once, in all of the queue."))
	o.oldest, e[9] = m.Float64ObservableGauge("gentask.queue.oldest_age", metric.WithUnit("s"),
		metric.WithDescription("For how long the oldest message that waits has been due."))
	o.letters, e[10] = m.Int64ObservableGauge("gentask.letters", metric.WithUnit("{message}"),
		metric.WithDescription("Messages in the dead-letter queue."))
	o.starved, e[11] = m.Int64ObservableGauge("gentask.starved", metric.WithUnit("{state}"),
		metric.WithDescription("1 while limits of the fleet leave the consumer nothing to run, and otherwise 0."))
	return o, errors.Join(e[:]...)
}

// all returns the instruments, to register a callback for.
func (o *observed) all() []metric.Observable {
	return []metric.Observable{
		o.held, o.running, o.abandoned, o.breaker, o.openKeys, o.healthy, o.turnAge, o.hooks,
		o.waiting, o.oldest, o.letters, o.starved,
	}
}

func newBacklog(m metric.Meter) (backlog metric.Int64ObservableGauge, oldest metric.Float64ObservableGauge, err error) {
	backlog, e0 := m.Int64ObservableGauge("gentask.outbox.backlog", metric.WithUnit("{message}"),
		metric.WithDescription("Messages that wait to be relayed."))
	oldest, e1 := m.Float64ObservableGauge("gentask.outbox.oldest_age", metric.WithUnit("s"),
		metric.WithDescription("For how long the oldest message that waits to be relayed has been due."))
	return backlog, oldest, errors.Join(e0, e1)
}
