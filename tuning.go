package gentask

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gentask/gentask/actor"
)

// SetConcurrency changes how many jobs run at a time, until the consumer stops. More are started at once if they are there; what is too many runs on
// to its end. With Policy.Adaptive it is the most that the policy may come to. It returns an error that wraps ErrConfig if n is less than 1, or more
// than Config.Prefetch: the broker doesn't send more than that to a session, so whoever wants to go up sets Prefetch to the most that he will want.
// It returns ErrNotRunning or ctx.Err().
func (c *Consumer) SetConcurrency(ctx context.Context, n int) error {
	if n < 1 || n > c.cfg.Prefetch {
		return fmt.Errorf("%w: SetConcurrency to %d; want 1 to %d, which is Config.Prefetch", ErrConfig, n, c.cfg.Prefetch)
	}
	return c.ask(ctx, func(answer func(error)) any { return &concurrencyRequest{n: n, answer: answer} })
}

// SetRate changes Policy.Rate, until the consumer stops; the zero Rate lifts the limit. What has begun counts on. It returns an error that wraps
// ErrConfig if r makes no sense, ErrNotRunning or ctx.Err().
func (c *Consumer) SetRate(ctx context.Context, r Rate) error {
	if err := r.check(); err != nil {
		return badFields("SetRate: ", err)
	}
	return c.ask(ctx, func(answer func(error)) any { return &rateRequest{rate: r, answer: answer} })
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
	return c.ask(ctx, func(answer func(error)) any { return &rateRequest{rate: r, ofKeys: true, answer: answer} })
}

type concurrencyRequest struct {
	n      int
	answer func(error)
}

func (r *concurrencyRequest) serve(_ actor.Context, l *ledger) {
	f := l.instance.limits
	f.concurrency = r.n
	if f.limiter != nil {
		f.limiter.SetMax(r.n)
	}
	l.lineup.stir()
	l.publish()
	r.answer(nil)
}

type rateRequest struct {
	rate   Rate
	ofKeys bool
	answer func(error)
}

func (r *rateRequest) serve(_ actor.Context, l *ledger) {
	if r.ofKeys {
		l.instance.limits.keyRate.set(r.rate, time.Now())
	} else {
		l.instance.limits.setRate(r.rate, l)
	}
	l.lineup.stir()
	r.answer(nil)
}

// setRate changes the rate. A gate that isn't there yet is put at the end, but for the pool's, whose is the last place.
func (f *limits) setRate(r Rate, l *ledger) {
	if f.limited {
		f.rate.set(r, time.Now())
		return
	}
	f.rate, f.limited = newLimiter(r), true
	at := len(l.lineup.gates)
	if f.share != nil {
		at--
	}
	l.lineup.gates = slices.Insert(l.lineup.gates, at, gate(rateGate{f.rate}))
}
