package scenario_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/guard/guardtest"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// A grudge is a method of a driver that fails with errors of its own making.
type grudge string

const (
	grudgeOpen    grudge = "Open"
	grudgeReceive grudge = "Receive"
	grudgeSettle  grudge = "Settle"
	grudgeSome    grudge = "Settle, some"
	grudgeNone    grudge = "Settle, none named"
	grudgeCancel  grudge = "Cancel"
	grudgeResume  grudge = "Resume"
	grudgeClose   grudge = "Close"
	grudgeWaiting grudge = "Waiting"
)

// spiteful is a source whose sessions return, or panic with, each error once, from one of their
// methods.
type spiteful struct {
	queue.Source
	method grudge
	panics bool

	mu   sync.Mutex
	left []guardtest.Case
}

// next is what the method returns now; nil once all errors were had.
func (s *spiteful) next(method grudge) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.method != method || len(s.left) == 0 {
		return nil
	}
	err := s.left[0].Err
	s.left = s.left[1:]
	if s.panics {
		panic(err)
	}
	return err
}

func (s *spiteful) had() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.left) == 0
}

func (s *spiteful) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	if err := s.next(grudgeOpen); err != nil {
		return nil, err
	}
	session, err := s.Source.Open(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &spitefulSession{Session: session, spiteful: s}, nil
}

func (s *spiteful) Backlog(ctx context.Context) (int, error) {
	if err := s.next(grudgeWaiting); err != nil {
		return 0, err
	}
	return s.Source.(queue.BacklogReporter).Backlog(ctx)
}

type spitefulSession struct {
	queue.Session
	*spiteful
}

func (s *spitefulSession) Receive(ctx context.Context) (*queue.Delivery, error) {
	if err := s.next(grudgeReceive); err != nil {
		return nil, err
	}
	return s.Session.Receive(ctx)
}

func (s *spitefulSession) Settle(ctx context.Context, batch []queue.Settlement) error {
	if err := s.next(grudgeSettle); err != nil {
		return err
	}
	if err := s.next(grudgeSome); err != nil {
		return &queue.SettleError{Failed: []queue.SettleFailure{{Tag: batch[0].Delivery.Tag, Err: err}, {Tag: 1 << 60, Err: err}, {}}}
	}
	if err := s.next(grudgeNone); err != nil {
		return (*queue.SettleError)(nil)
	}
	return s.Session.Settle(ctx, batch)
}

func (s *spitefulSession) Cancel(ctx context.Context) error {
	if err := s.next(grudgeCancel); err != nil {
		return err
	}
	return s.Session.Cancel(ctx)
}

func (s *spitefulSession) Resume(ctx context.Context) error {
	if err := s.next(grudgeResume); err != nil {
		return err
	}
	return s.Session.Resume(ctx)
}

func (s *spitefulSession) Close(ctx context.Context) error {
	err := s.Session.Close(ctx)
	if hostile := s.next(grudgeClose); hostile != nil {
		return hostile
	}
	return err
}

// TestScenario38_HostileDrivers makes each method of a driver fail with each hostile error. The
// consumer opens a session again, or tries again, and does its jobs.
func TestScenario38_HostileDrivers(t *testing.T) {
	for _, method := range []grudge{
		grudgeOpen, grudgeReceive, grudgeSettle, grudgeSome, grudgeNone, grudgeCancel, grudgeResume, grudgeClose, grudgeWaiting,
	} {
		for _, panics := range []bool{false, true} {
			name := string(method)
			if panics {
				name += " panics"
			}
			t.Run(name, func(t *testing.T) {
				rig.Memory().Run(t, func(r *rig.Rig) { scenario38Drivers(r, method, panics) })
			})
		}
	}
}

func scenario38Drivers(r *rig.Rig, method grudge, panics bool) {
	s := &spiteful{Source: r.Source, method: method, panics: panics, left: guardtest.Errors()}
	r.Source = s
	r.Allow.Logged, r.Allow.Healed, r.Allow.Overlaps = true, true, true
	r.Limit *= 10
	c := r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
	for !s.had() {
		provoke(r, c, method)
	}
	r.Publish(20)
	r.Finish()
	r.Eventually("it is well", func() bool { return c.Health().Healthy() })
	require.Equal(r, gentask.Consuming, c.Health().State)
}

// provoke makes a consumer call the method, in virtual time.
func provoke(r *rig.Rig, c *gentask.Consumer, method grudge) {
	switch method {
	case grudgeOpen, grudgeReceive, grudgeWaiting:
	case grudgeClose:
		r.Memory.LoseSessions()
	case grudgeSettle, grudgeSome, grudgeNone:
		r.Publish(1)
	case grudgeCancel, grudgeResume:
		_ = c.Pause(r.Context())
		time.Sleep(time.Second)
		_ = c.Resume(r.Context())
	}
	time.Sleep(time.Minute)
}
