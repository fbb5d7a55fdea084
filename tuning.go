package gentask

import (
	"context"
	"fmt"
)

// SetConcurrency changes how many jobs run at a time, until the consumer stops. More are started at once if they are there; what is too many runs on
// to its end. With Policy.Adaptive it is the most that the policy may come to. It returns an error that wraps ErrConfig if n is less than 1, or more
// than Config.Prefetch: the broker doesn't send more than that to a session, so whoever wants to go up sets Prefetch to the most that he will want.
// It returns ErrNotRunning or ctx.Err().
func (c *Consumer) SetConcurrency(ctx context.Context, n int) error {
	if n < 1 || n > c.cfg.Prefetch {
		return fmt.Errorf("%w: SetConcurrency to %d; want 1 to %d, which is Config.Prefetch", ErrConfig, n, c.cfg.Prefetch)
	}
	return c.ask(ctx, func(answer func(error)) message { return &concurrencyRequest{n: n, answer: answer} })
}

// SetRate changes Policy.Rate, until the consumer stops; the zero Rate lifts the limit. What has begun counts on. It returns an error that wraps
// ErrConfig if r makes no sense, ErrNotRunning or ctx.Err().
func (c *Consumer) SetRate(ctx context.Context, r Rate) error {
	if err := r.check(); err != nil {
		return badFields("SetRate: ", err)
	}
	return c.ask(ctx, func(answer func(error)) message { return &rateRequest{rate: r, answer: answer} })
}

// SetKeyRate changes Policy.KeyRate.Rate, until the consumer stops; the zero Rate lifts the limit of all keys, and forgets what has begun. It returns
// an error that wraps ErrConfig if r makes no sense, or there is no Policy.KeyRate.Key; ErrNotRunning or ctx.Err().
func (c *Consumer) SetKeyRate(ctx context.Context, r Rate) error {
	if c.cfg.Policy.KeyRate.Key == nil {
		return fmt.Errorf("%w: SetKeyRate without Policy.KeyRate.Key; want a function, for example KeyHeader(name)", ErrConfig)
	}
	if err := r.check(); err != nil {
		return badFields("SetKeyRate: ", err)
	}
	return c.ask(ctx, func(answer func(error)) message { return &rateRequest{rate: r, ofKeys: true, answer: answer} })
}
