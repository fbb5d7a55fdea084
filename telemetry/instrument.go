package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
)

// stopLimit is how long the function that Instrument returns waits for a tracer.
const stopLimit = 5 * time.Second

// Instrument records the metrics of a consumer until stop is called, and makes the spans of the
// settlements of jobs that [Middleware] or [Batch] has traced. It works by the consumer's events
// and its Health, so it costs the ledger no more than a subscriber does. Call it before the
// consumer is started, and stop after it has ended; stop waits for the spans, 5 s at most.
// Consumers can be run again in between.
//
// Gauges are taken when the metrics are collected. The figures of the broker, which are the
// messages that wait and the dead letters, are asked for beside that, at most every
// [Config.Interval], and only while metrics are collected. A figure that could not be had for three
// intervals is left out, and so is one that the queue can't count: see [queue.Inspector],
// [queue.BacklogReporter] and [queue.AgeReporter]. All nodes show the same figures of a queue.
//
// Instrument returns an error that wraps queue.ErrConfig if consumer is nil or cfg makes no sense,
// and the error of a meter that makes no instruments.
func Instrument(consumer *gentask.Consumer, cfg Config) (stop func(), err error) {
	if consumer == nil {
		return nil, fmt.Errorf("telemetry: %w: consumer is nil; want one that gentask.New has made", queue.ErrConfig)
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	place := cfg.placeOf(consumer.Source())
	recorder, err := cfg.newRecorder(place)
	if err != nil {
		return nil, err
	}
	instruments, err := newObserved(cfg.meter())
	if err != nil {
		return nil, err
	}
	broker := newProbe(cfg, "telemetry.Instrument", func(ctx context.Context) (figures, error) {
		return figuresOf(ctx, consumer.Source())
	})
	g := &gauges{
		observed: instruments, consumer: consumer, broker: broker,
		recorder: recorder, labels: metric.WithAttributeSet(recorder.ours(outcome{})),
	}
	registration, err := cfg.meter().RegisterCallback(g.observe, instruments.all()...)
	if err != nil {
		broker.stop()
		return nil, err
	}
	unsubscribe := consumer.Subscribe(recorder.record, recorded...)
	return sync.OnceFunc(func() {
		unsubscribe()
		recorder.wait(stopLimit)
		_, _ = within(recorder.tracer.contained, func() error { recorder.flush(); return registration.Unregister() })
		broker.stop()
	}), nil
}

// gauges are what a consumer shows when metrics are collected.
type gauges struct {
	observed
	consumer *gentask.Consumer
	broker   *probe
	recorder *recorder
	labels   metric.MeasurementOption
}

// observe is called when metrics are collected. It does not block.
func (g *gauges) observe(_ context.Context, o metric.Observer) error {
	g.recorder.flush()
	now := g.consumer.Health()
	o.ObserveInt64(g.held, int64(now.Held), g.labels)
	o.ObserveInt64(g.running, int64(now.Running), g.labels)
	o.ObserveInt64(g.abandoned, int64(now.Abandoned), g.labels)
	o.ObserveInt64(g.breaker, breakerState(now.State), g.labels)
	o.ObserveInt64(g.openKeys, int64(now.KeyBreakers), g.labels)
	o.ObserveInt64(g.hooks, failuresOf(now.Hooks), g.labels)
	o.ObserveInt64(g.healthy, oneIf(now.Healthy()), g.labels)
	o.ObserveInt64(g.starved, oneIf(now.Starved), g.labels)
	if !now.Turn.IsZero() {
		o.ObserveFloat64(g.turnAge, time.Since(now.Turn).Seconds(), g.labels)
	}
	f := g.broker.last()
	if f.waiting != nil {
		o.ObserveInt64(g.waiting, int64(*f.waiting), g.labels)
	}
	if f.letters != nil {
		o.ObserveInt64(g.letters, int64(*f.letters), g.labels)
	}
	if f.oldest != nil {
		o.ObserveFloat64(g.oldest, f.oldest.Seconds(), g.labels)
	}
	return nil
}

// oneIf returns 1 for true, and 0 for false.
func oneIf(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// breakerState returns the state of the consumer's breaker as a number.
func breakerState(s gentask.State) int64 {
	switch s {
	case gentask.Probing:
		return 1
	case gentask.BreakerOpen:
		return 2
	case gentask.Stopped, gentask.Connecting, gentask.Consuming, gentask.Paused, gentask.Saturated, gentask.Draining:
	}
	return 0
}

// failuresOf returns how many calls of user code have failed, were late or were not
// made, with the events that were lost.
func failuresOf(hooks map[string]gentask.HookHealth) (n int64) {
	for _, h := range hooks {
		n += int64(h.Failed + h.Late + h.Refused + h.Lost)
	}
	return n
}

// figuresOf asks a queue's broker for what waits. A figure that can't be had is nil.
func figuresOf(ctx context.Context, q queue.Source) (f figures, err error) {
	if inspector, ok := q.(queue.Inspector); ok {
		stats, failed := inspector.Inspect(ctx)
		if err = errors.Join(err, failed); failed == nil {
			f.waiting, f.letters = &stats.Ready, &stats.DeadLettered
		}
	}
	if reporter, ok := q.(queue.BacklogReporter); ok {
		n, failed := reporter.Backlog(ctx)
		if err = errors.Join(err, failed); failed == nil {
			f.waiting = &n
		}
	}
	if reporter, ok := q.(queue.AgeReporter); ok {
		age, failed := reporter.OldestAge(ctx)
		if err = errors.Join(err, failed); failed == nil {
			f.oldest = &age
		}
	}
	return f, err
}

// Backlog observes something that waits elsewhere until stop is called, for example the messages of
// an outbox that no relay has taken. look is called beside the collection of metrics, as the broker
// is in [Instrument], for 5 s at most. It returns how many wait, and for how long the oldest one
// has been due.
//
// The metrics are gentask.outbox.backlog and gentask.outbox.oldest_age, with name as the label
// queue. Backlog returns an error that wraps queue.ErrConfig if look is nil, name is empty or cfg
// makes no sense, and the error of a meter that makes no instruments.
func Backlog(
	cfg Config, name string, look func(ctx context.Context) (n int, oldest time.Duration, err error),
) (stop func(), err error) {
	err = cfg.check()
	if name == "" {
		err = errors.Join(err, fmt.Errorf(
			"telemetry: %w: name of a backlog is empty; want one for its label", queue.ErrConfig))
	}
	if look == nil {
		err = errors.Join(err, fmt.Errorf("telemetry: %w: look is nil; want a function", queue.ErrConfig))
	}
	if err != nil {
		return nil, err
	}
	backlog, oldest, err := newBacklog(cfg.meter())
	if err != nil {
		return nil, err
	}
	p := newProbe(cfg, "telemetry.Backlog", func(ctx context.Context) (figures, error) {
		n, age, err := look(ctx)
		return figures{waiting: &n, oldest: &age}, err
	})
	labels := metric.WithAttributes(append([]attribute.KeyValue{queueLabel.String(name)}, cfg.Attributes...)...)
	registration, err := cfg.meter().RegisterCallback(func(_ context.Context, o metric.Observer) error {
		if f := p.last(); f.waiting != nil {
			o.ObserveInt64(backlog, int64(*f.waiting), labels)
			o.ObserveFloat64(oldest, f.oldest.Seconds(), labels)
		}
		return nil
	}, backlog, oldest)
	if err != nil {
		p.stop()
		return nil, err
	}
	return sync.OnceFunc(func() {
		_, _ = within(p.contained, registration.Unregister)
		p.stop()
	}), nil
}
