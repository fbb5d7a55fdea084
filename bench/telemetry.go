package main

import (
	"context"
	"errors"
	"log/slog"

	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/telemetry"
)

// measured is fromMemory with the metrics of package telemetry on or off. Every job is counted
// before the clock stops.
func measured(on bool) side {
	return func(ctx context.Context, t *trial) error {
		q := newMemory(t)
		defer q.Close()
		if err := q.Publish(ctx, t.tally.messages(small)...); err != nil {
			return err
		}
		cfg := gentask.Config{
			Concurrency: inFlight, System: actor.NewSystem(actor.SystemConfig{}), Logger: slog.New(slog.DiscardHandler),
		}
		c, err := gentask.New(q, noOp(t), cfg)
		if err != nil {
			return err
		}
		if on {
			provider := metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))
			end, err := telemetry.Instrument(c, telemetry.Config{MeterProvider: provider})
			if err != nil {
				return err
			}
			defer end()
		}
		return errors.Join(timed(ctx, t, c), t.tally.check(), checkMemory(q))
	}
}

// timed runs c until every job has run and, by its Stop, every event has been handled.
func timed(ctx context.Context, t *trial, c *gentask.Consumer) error {
	t.begin()
	if err := c.Start(); err != nil {
		return err
	}
	err := t.tally.wait(ctx)
	report, stopErr := stop(ctx, c)
	t.end()
	if err := errors.Join(err, stopErr, c.Err()); err != nil {
		return err
	}
	return wasIdle(report)
}
