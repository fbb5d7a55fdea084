package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gentask/gentask"
)

var errSim = errors.New("simulated failure")

// simRun is a run of a job, or of a function of Only.
type simRun struct {
	process *simProcess
	ctx     context.Context //nolint:containedctx // of a run that is watched
	what    string
	epoch   uint64
}

// live reports whether the run goes on and respects its context. The mutex is held.
func (r *simRun) live() bool { return r.ctx.Err() == nil && !r.process.line.stands() }

// run is a job. It takes some time, and fails sometimes.
func (p *simProcess) run(ctx context.Context, _ []byte) error {
	job, _ := gentask.FromContext(ctx)
	c := p.line.call(context.Background(), "job", job.ID())
	r := &simRun{process: p, ctx: ctx, what: job.ID()}
	time.Sleep(upTo(c.dice, 100*time.Microsecond)) // one after the other
	_ = c.await(context.Background())
	p.sim.enter(r)
	defer p.sim.leave(r)
	d := upTo(c.dice, []time.Duration{10 * time.Millisecond, 200 * time.Millisecond, time.Second}[c.dice.IntN(3)])
	if sleep(ctx, d) != nil {
		time.Sleep(upTo(c.dice, 100*time.Microsecond)) // likewise
	}
	_ = c.await(context.Background())
	switch fate := c.dice.IntN(20); {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case p.sim.isQuiet():
		return nil
	case fate == 0:
		return errSim
	case fate == 1:
		panic("simulated panic")
	}
	return nil
}

func (s *fleetSim) isQuiet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.quiet
}

// simOnly is what is seen of a function of Only.
type simOnly struct {
	name  string
	runs  map[*simRun]bool
	idle  time.Time // since when none is live; zero if one is
	epoch uint64
}

// takeTurns calls Only again and again.
func (p *simProcess) takeTurns(name string) {
	ctx := context.WithValue(p.life, simLabel{}, "only "+name)
	for ctx.Err() == nil {
		c := p.line.call(ctx, "turn", name)
		p.want(name, true)
		_ = p.node.Only(ctx, name, func(ctx context.Context, epoch uint64) error { return p.turn(ctx, c, name, epoch) })
		p.want(name, false)
		if c.await(ctx) == nil {
			_ = sleep(ctx, upTo(c.dice, 300*time.Millisecond))
		}
	}
}

// want records since when the process waits for its turn.
func (p *simProcess) want(name string, does bool) {
	p.sim.mu.Lock()
	defer p.sim.mu.Unlock()
	delete(p.wants, name)
	if does {
		p.wants[name] = time.Now()
	}
}

// turn is a function of Only.
func (p *simProcess) turn(ctx context.Context, c simCall, name string, epoch uint64) error {
	time.Sleep(upTo(c.dice, 100*time.Microsecond)) // one after the other
	_ = c.await(context.Background())
	r := &simRun{process: p, ctx: ctx, what: name, epoch: epoch}
	if !p.sim.begin(r) {
		return ctx.Err()
	}
	d := upTo(c.dice, []time.Duration{50 * time.Millisecond, 2 * time.Second, time.Minute}[c.dice.IntN(3)])
	_ = sleep(ctx, d)
	time.Sleep(upTo(c.dice, 100*time.Microsecond)) // likewise
	p.sim.finish(r)
	_ = c.await(context.Background())
	if c.dice.IntN(5) == 0 {
		panic(fmt.Sprint("simulated panic in ", name))
	}
	return ctx.Err()
}
