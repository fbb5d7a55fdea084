package gentask

import (
	"context"
	"fmt"

	"github.com/gentask/gentask/internal/guard"
)

// SetConcurrency changes how many jobs run at a time, until the consumer stops. If it grows,
// waiting jobs start at once. If it shrinks, running jobs run to their end. With [Policy.Adaptive]
// it is the upper limit of the policy.
//
// It returns an error that wraps [ErrConfig] if n is less than 1 or more than [Config.Prefetch].
// The broker sends no more than Prefetch to a session. To be able to raise the concurrency later,
// set Prefetch to the highest value you will need. It returns [ErrNotRunning] or ctx.Err().
func (c *Consumer) SetConcurrency(ctx context.Context, n int) error {
	if n < 1 || n > c.cfg.Prefetch {
		return fmt.Errorf("%w: SetConcurrency to %d; want 1 to %d, which is Config.Prefetch",
			ErrConfig, n, c.cfg.Prefetch)
	}
	return c.ask(ctx, func(answer func(error)) message { return &concurrencyRequest{n: n, answer: answer} })
}

// SetRate changes [Policy.Rate], until the consumer stops. The zero Rate lifts the limit. Runs that
// have started before still count. It returns an error that wraps [ErrConfig] if r is invalid,
// [ErrNotRunning] or ctx.Err().
func (c *Consumer) SetRate(ctx context.Context, r Rate) error {
	if err := r.check(); err != nil {
		return badFields("SetRate: ", err)
	}
	return c.ask(ctx, func(answer func(error)) message { return &rateRequest{rate: r, answer: answer} })
}

// SetKeyRate changes the Rate of [Policy.KeyRate], until the consumer stops. The zero Rate lifts
// the limit of all keys, and forgets earlier runs. It returns an error that wraps [ErrConfig] if r
// is invalid, or if [KeyRate.Key] is nil. It returns [ErrNotRunning] or ctx.Err().
func (c *Consumer) SetKeyRate(ctx context.Context, r Rate) error {
	if c.cfg.Policy.KeyRate.Key == nil {
		return fmt.Errorf("%w: SetKeyRate without Policy.KeyRate.Key; want a function, for example KeyHeader(name)",
			ErrConfig)
	}
	if err := r.check(); err != nil {
		return badFields("SetKeyRate: ", err)
	}
	return c.ask(ctx, func(answer func(error)) message { return &rateRequest{rate: r, ofKeys: true, answer: answer} })
}

// Override replaces the overrides of the consumer by o, which is all that is overridden from now
// on. They are in force while sessions, ledgers and instances of the consumer come and go, until
// the next call. They may be set before Start: no job is started without them.
//
// Override returns when the consumer follows them, with the changes that the call has made. It
// returns none if the consumer is not running, or is just starting: the start makes them. Each one
// is also told as an [EventOverridden]. [Health.Overrides] shows what is in force.
//
// It returns an error that wraps [ErrConfig] if o is invalid, and changes nothing then. It returns
// ctx.Err() if the consumer did not answer in time: the overrides are in force all the same.
func (c *Consumer) Override(ctx context.Context, o Overrides) ([]OverrideChange, error) {
	if err := o.Check(c.cfg.Prefetch); err != nil {
		return nil, err
	}
	c.overrides.Store(o.clone())
	changes, err := askLedger(ctx, c.current(), func(answer func([]OverrideChange)) message {
		return &overrideRequest{answer: answer}
	})
	if guard.Is(err, ErrNotRunning) {
		return nil, nil // the next ledger looks when it starts
	}
	return changes, err
}

// SetQuota gives the consumer its part of [FleetLimits.Concurrency]. Nil takes it away, after which
// no job starts; the jobs that run keep their units. It has no effect on a consumer without that
// limit. fleet.Join calls it.
func (c *Consumer) SetQuota(q Quota) {
	if q == nil {
		c.quotas.jobs.Store(nil)
	} else {
		c.quotas.jobs.Store(&q)
	}
	c.QuotaChanged()
}

// SetRateQuota gives the consumer its part of [FleetLimits.Rate]. Nil takes it away, after which no
// job starts. It has no effect on a consumer without that limit. fleet.Join calls it.
func (c *Consumer) SetRateQuota(q RateQuota) {
	if q == nil {
		c.quotas.rate.Store(nil)
	} else {
		c.quotas.rate.Store(&q)
	}
	c.QuotaChanged()
}

// SetKeyQuota gives the consumer its part of [FleetLimits.PerKey]. Nil takes it away, after which
// no job with a key starts; the jobs that run keep their units. It has no effect on a consumer
// without that limit. fleet.Join calls it.
func (c *Consumer) SetKeyQuota(q KeyQuota) {
	if q == nil {
		c.quotas.keys.Store(nil)
	} else {
		c.quotas.keys.Store(&q)
	}
	c.QuotaChanged()
}

// FleetLimits returns [Policy.Fleet], with its defaults.
func (c *Consumer) FleetLimits() FleetLimits {
	f := c.cfg.Policy.Fleet
	f.Rate.Burst = f.Rate.limit().Burst
	return f
}

// QuotaChanged makes the consumer ask its [Quota], [RateQuota] and [KeyQuota] again. It never
// blocks.
func (c *Consumer) QuotaChanged() {
	if i := c.current(); i != nil {
		i.unblock()
	}
}
