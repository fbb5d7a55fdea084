package isolate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/isolate/internal/wire"
)

// slot keeps one child running. It is a child of the pool's supervisor, which restarts it with a
// back-off when it fails: a child could not start, or died before it had served anything.
type slot struct {
	pool   *pool
	life   *life
	failed int // starts in a row
}

// errIdleDeath is why a slot fails if its child dies by itself, before its first job.
var errIdleDeath = errors.New("isolate: a child died before its first job")

// run is the function of the slot. It returns nil when ctx ends.
func (s *slot) run(ctx context.Context) error {
	for ctx.Err() == nil {
		p, err := s.start(ctx)
		if err != nil {
			if ctx.Err() == nil {
				s.failure(err)
			}
			return err
		}
		if err := s.serve(ctx, p); err != nil {
			s.failure(err)
			return err
		}
		s.failed = 0
	}
	return nil
}

// failure notes that a child could not start, and about when the next try is.
func (s *slot) failure(err error) {
	s.failed = min(s.failed+1, 10)
	wait := max(min(startBackoff.Base<<s.failed, startBackoff.Max), time.Second)
	s.life.log.Error("isolate: can't start a child", "function", s.pool.name, "error", err, "again", wait)
	s.pool.lender.cantStart(err, wait)
}

// start returns a child that has said that it is ready.
func (s *slot) start(ctx context.Context) (*process, error) {
	p, err := s.life.spawn(s.pool.program)
	if err != nil {
		return nil, err
	}
	if err = p.greeting(ctx, s.pool.name); err != nil {
		p.kill(err)
		<-p.gone
		s.life.buried(p)
		return nil, fmt.Errorf("%w; %s", err, p.lastWords())
	}
	return p, nil
}

// greeting waits until a child is ready, and has the function.
func (p *process) greeting(ctx context.Context, function string) error {
	late := time.NewTimer(p.cfg.StartTimeout)
	defer late.Stop()
	select {
	case h := <-p.hello:
		return p.program.accepts(h, function)
	case <-p.gone:
		return p.stillborn()
	case <-late.C:
		return fmt.Errorf("isolate: a child was not ready in Config.StartTimeout, %v; call isolate.Main first in main",
			p.cfg.StartTimeout)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stillborn returns why a child died before it was ready.
func (p *process) stillborn() error {
	if p.unrun != nil {
		return p.unrun
	}
	err := fmt.Errorf("isolate: a child died before it was ready, after %v", time.Since(p.born).Round(time.Millisecond))
	if why := p.reason(); why != nil {
		err = fmt.Errorf("%w: %w", err, why)
	}
	return err
}

// sameProgram returns an error if a child is not the same program.
func sameProgram(h wire.Hello, function string) error {
	if h.Version != wire.Version || !slices.Contains(h.Names, function) {
		return fmt.Errorf("isolate: a child has the functions %q, version %d of the protocol; want %q, version %d: "+
			"call isolate.Main after Handle and Work in each run of the program",
			h.Names, h.Version, function, wire.Version)
	}
	return nil
}

// serve lends the child until it is over, or ctx ends. The error is not nil if it died by itself,
// before it had served anything.
func (s *slot) serve(ctx context.Context, p *process) error {
	s.pool.lender.add(p)
	select {
	case <-p.gone:
	case <-ctx.Done(): // no job runs any more
		s.pool.lender.remove(p)
		if !p.retire() {
			p.kill(nil)
		}
		<-p.gone
		s.life.buried(p)
		return nil
	}
	s.pool.lender.remove(p)
	s.life.buried(p)
	if p.failedIdle() {
		return errors.Join(fmt.Errorf("%w; %s", errIdleDeath, p.lastWords()), p.reason())
	}
	return nil
}

// lastWords returns how a process has ended, and the end of its output.
func (p *process) lastWords() string {
	tail, report := p.output.Texts()
	if report == "" {
		report = tail
	}
	if report == "" {
		return "it has written nothing"
	}
	return "it has written: " + guard.Text(report[max(0, len(report)-1000):])
}
