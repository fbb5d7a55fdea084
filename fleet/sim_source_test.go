package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// simSource is the queue as one process reaches it. Its connection is another one than that of the
// store, so a process that is cut off from the store has work.
type simSource struct {
	line  *simLine
	inner *memory.Queue
	last  *simSession // guarded by the mutex of the simulation
	count int         // likewise
}

// Name implements queue.Named.
func (*simSource) Name() string { return simQueue }

// Open implements queue.Source.
func (s *simSource) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	if err := s.line.call(ctx, "open", "").travel(ctx); err != nil {
		return nil, err
	}
	inner, err := s.inner.Open(ctx, opts)
	if err != nil {
		return nil, err
	}
	s.line.sim.mu.Lock()
	defer s.line.sim.mu.Unlock()
	s.count++
	s.last = &simSession{Session: inner, source: s, number: s.count, gone: make(chan struct{})}
	return s.last, nil
}

// lose ends the present session, as the broker does. The mutex of the simulation is held.
func (s *simSource) lose() {
	if s.last != nil && !s.last.lost {
		s.last.lost = true
		close(s.last.gone)
		_ = s.last.Session.Close(context.Background()) // it never fails
		s.line.sim.stir()
	}
}

// simSession is a session of a simSource.
type simSession struct {
	queue.Session
	source *simSource
	number int
	lost   bool
	gone   chan struct{}
}

// travel takes the time of a request, and finds out whether the session is lost.
func (s *simSession) travel(ctx context.Context, what string) error {
	if err := s.source.line.call(ctx, fmt.Sprint(what, s.number), "").travel(ctx); err != nil {
		return err
	}
	select {
	case <-s.gone:
		return queue.ErrSessionLost
	default:
		return nil
	}
}

// Receive implements queue.Session. It asks for a delivery whenever there may be one, so that no
// two sessions ask at the same instant.
func (s *simSession) Receive(ctx context.Context) (*queue.Delivery, error) {
	for {
		news := s.source.line.sim.news()
		if err := s.travel(ctx, "receive"); err != nil {
			return nil, err
		}
		now, cancel := context.WithTimeout(ctx, 1)
		d, err := s.Session.Receive(now)
		cancel()
		if err == nil {
			s.source.line.sim.note("      %d receives %s", s.source.line.number, d.ID)
		}
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return d, err
		}
		select {
		case <-news:
		case <-s.gone:
		case <-ctx.Done():
		}
	}
}

// Settle implements queue.Session.
func (s *simSession) Settle(ctx context.Context, batch []queue.Settlement) error {
	if err := s.travel(ctx, fmt.Sprint("settle", batch[0].Disposition)); err != nil {
		return err
	}
	for _, one := range batch {
		s.source.line.sim.note("      %d settles %s: %v", s.source.line.number, one.Delivery.ID, one.Disposition)
		if one.After > 0 {
			time.AfterFunc(one.After+1, s.source.line.sim.stir)
		}
	}
	defer s.source.line.sim.stir()
	return s.Session.Settle(ctx, batch)
}

// Return implements queue.Returner.
func (s *simSession) Return(ctx context.Context, batch []queue.Settlement) error {
	if err := s.travel(ctx, "return"); err != nil {
		return err
	}
	defer s.source.line.sim.stir()
	return s.Session.(queue.Returner).Return(ctx, batch)
}

// Cancel implements queue.Session.
func (s *simSession) Cancel(ctx context.Context) error {
	if err := s.travel(ctx, "cancel"); err != nil {
		return err
	}
	s.source.line.sim.note("      %d receives no more", s.source.line.number)
	defer s.source.line.sim.stir()
	return s.Session.Cancel(ctx)
}

// Resume implements queue.Session.
func (s *simSession) Resume(ctx context.Context) error {
	if err := s.travel(ctx, "resume"); err != nil {
		return err
	}
	s.source.line.sim.note("      %d receives again", s.source.line.number)
	return s.Session.Resume(ctx)
}

// Close implements queue.Session.
func (s *simSession) Close(ctx context.Context) error {
	_ = s.travel(ctx, "close")
	defer s.source.line.sim.stir()
	return s.Session.Close(ctx)
}

// news returns a channel that is closed when there may be messages for somebody.
func (s *fleetSim) news() <-chan struct{} {
	s.stirring.Lock()
	defer s.stirring.Unlock()
	return s.fresh
}

// stir wakes those that wait for messages. The mutex may be held.
func (s *fleetSim) stir() {
	s.stirring.Lock()
	defer s.stirring.Unlock()
	close(s.fresh)
	s.fresh = make(chan struct{})
}
