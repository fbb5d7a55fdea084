package scenario_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// oddSource is a memory queue whose sessions settle in a way of the test's own, and can return
// nothing unless that is said.
type oddSource struct {
	queue.Source
	settle func(ctx context.Context, s queue.Session, batch []queue.Settlement) error
}

func (o *oddSource) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	s, err := o.Source.Open(ctx, opts)
	return &oddSession{s, o}, err
}

type oddSession struct {
	queue.Session
	source *oddSource
}

func (s *oddSession) Settle(ctx context.Context, batch []queue.Settlement) error {
	if s.source.settle != nil {
		return s.source.settle(ctx, s.Session, batch)
	}
	return s.Session.Settle(ctx, batch)
}

// TestScenario40_NoWayOut: the driver can't return what it can't settle. A stuck delivery keeps its
// slot, and others go on with the rest. A prefetch that is full of such deliveries costs the
// session, less and less often, and nothing is lost.
func TestScenario40_NoWayOut(t *testing.T) {
	for name, stuck := range map[string]int{"some": 3, "all": 4, "more": 30} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Allow.Logged, r.Allow.Healed = true, true
				r.Limit = 24 * time.Hour
				r.Source = &oddSource{Source: r.Source}
				r.Memory.SetFaults(memory.Faults{RefuseCopy: memory.Times(-1), CopyError: errFull})
				sendRefused(r, stuck, 20)
				var done atomic.Int64
				c := r.Start(r.Handle(func(_ context.Context, id string) error {
					if id[0] == 'b' {
						return gentask.DeadLetter(errDown)
					}
					done.Add(1)
					return nil
				}), gentask.Config{Concurrency: 2, Prefetch: 4})
				time.Sleep(time.Hour)
				r.Rest()
				require.ErrorIs(r, c.Health().Error, errFull)
				require.EqualValues(r, 20, done.Load(), "others have gone on")
				if name == "some" {
					require.Equal(r, 1, r.Memory.Stats().Opened)
				} else {
					healed := r.Events(gentask.EventHealed)
					require.NotEmpty(r, healed)
					require.LessOrEqual(r, len(healed), 3, "the next session has room for others")
					require.ErrorIs(r, healed[0].Reason, gentask.ErrJammed)
				}
				require.Equal(r, stuck, r.Runs.Total()-int(done.Load()), "what is decided is not run again")
				r.Memory.SetFaults(memory.Faults{})
				r.Finish()
				require.Equal(r, 20, r.Memory.Stats().Acked)
				require.Equal(r, stuck, r.Memory.Stats().DeadLettered)
			})
		})
	}
}

// TestScenario40_DriverKeepsItsAnswer: a call that takes too long is cut. A driver that does not
// return even then loses its session.
func TestScenario40_DriverKeepsItsAnswer(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Healed, r.Allow.Logged = true, true
		var calls atomic.Int64
		r.Source = &oddSource{Source: r.Source, settle: func(ctx context.Context, s queue.Session, batch []queue.Settlement) error {
			if calls.Add(1) == 1 {
				time.Sleep(40 * time.Second) // deaf
			}
			return s.Settle(context.WithoutCancel(ctx), batch)
		}}
		r.Publish(5)
		began := time.Now()
		r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{Concurrency: 1})
		r.Eventually("it is noticed", func() bool { return len(r.Events(gentask.EventHealed)) == 1 })
		require.Less(r, time.Since(began), 20*time.Second)
		require.ErrorIs(r, r.Events(gentask.EventHealed)[0].Reason, gentask.ErrDriverStuck)
		r.Finish()
		time.Sleep(time.Minute)
	})
}

// TestScenario40_NotHeldAnyMore: a driver that reports that it doesn't hold the delivery is
// believed: the slot is free.
func TestScenario40_NotHeldAnyMore(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Logged = true
		var calls atomic.Int64
		r.Source = &oddSource{Source: r.Source, settle: func(ctx context.Context, s queue.Session, batch []queue.Settlement) error {
			err := s.Settle(ctx, batch)
			if err == nil && calls.Add(1) == 1 { // it was settled, and returns an error
				return &queue.SettleError{Failed: []queue.SettleFailure{{Tag: batch[0].Delivery.Tag, Err: queue.ErrSettled}}}
			}
			return err
		}}
		r.Publish(3)
		c := r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{Concurrency: 1})
		r.Finish()
		require.Equal(r, 3, r.Runs.Total())
		require.Zero(r, c.Health().Held)
	})
}

// TestScenario40_NoHotLoop: one message that is refused for good is neither run nor returned in a
// hot loop, with any id. A long one is recognised. One that the driver makes up for each delivery
// has its floor, too.
func TestScenario40_NoHotLoop(t *testing.T) {
	for name, id := range map[string]string{"long": strings.Repeat("x", 100_000), "new": ""} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Limit = 24 * time.Hour
				r.Memory.SetFaults(memory.Faults{RefuseCopy: memory.Times(-1), CopyError: queue.ErrTooLarge, CrudeReturn: true})
				if id == "" {
					r.Source = &nameless{Source: r.Source}
				}
				r.Send(queue.Message{ID: id, Body: []byte(`""`)})
				r.Start(r.Handle(func(context.Context, string) error { return errDown }), gentask.Config{
					Retry: gentask.Retry{MaxAttempts: -1, Rules: []gentask.Rule{{When: gentask.WhenFailed, Backoff: gentask.ConstantBackoff(0)}}},
				})
				time.Sleep(time.Minute)
				r.Rest()
				require.Greater(r, r.Runs.Total(), 3)
				require.LessOrEqual(r, r.Runs.Total(), 61)
			})
		})
	}
}

// nameless gives each delivery an id of its own.
type nameless struct{ queue.Source }

func (n *nameless) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	s, err := n.Source.Open(ctx, opts)
	return &namelessSession{Session: s, real: map[uint64]*queue.Delivery{}}, err
}

type namelessSession struct {
	queue.Session
	mu   sync.Mutex
	real map[uint64]*queue.Delivery
}

func (s *namelessSession) Receive(ctx context.Context) (*queue.Delivery, error) {
	d, err := s.Session.Receive(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.real[d.Tag] = d
	named := *d
	named.ID = "delivery-" + strconv.FormatUint(d.Tag, 10)
	return &named, nil
}

func (s *namelessSession) translate(batch []queue.Settlement) []queue.Settlement {
	s.mu.Lock()
	defer s.mu.Unlock()
	batch = slices.Clone(batch)
	for i := range batch {
		batch[i].Delivery = s.real[batch[i].Delivery.Tag]
	}
	return batch
}

func (s *namelessSession) Settle(ctx context.Context, batch []queue.Settlement) error {
	return s.Session.Settle(ctx, s.translate(batch))
}

func (s *namelessSession) Return(ctx context.Context, batch []queue.Settlement) error {
	return s.Session.(queue.Returner).Return(ctx, s.translate(batch))
}

// TestScenario40_Drain: a consumer that drains doesn't wait for the floor of what was returned
// before, nor for what is refused.
func TestScenario40_Drain(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Logged = true
		r.Memory.SetFaults(memory.Faults{RefuseCopy: memory.Times(-1), CopyError: queue.ErrTooLarge, CrudeReturn: true})
		sendRefused(r, 3, 0)
		c := r.Start(r.Handle(func(context.Context, string) error { return gentask.DeadLetter(errDown) }), gentask.Config{Concurrency: 4})
		time.Sleep(5 * time.Minute)
		r.Rest()
		require.Equal(r, 3, c.Health().Held, "they wait for their floors")
		began := time.Now()
		report := r.Stop(c)
		require.Less(r, time.Since(began), time.Second)
		require.Equal(r, gentask.DrainReport{Returned: 3}, report)
		require.Equal(r, 3, r.Runs.Total())
	})
}

// TestScenario40_CrashForgetsNothing: what was returned is remembered by the next incarnation of
// the ledger.
func TestScenario40_CrashForgetsNothing(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Logged, r.Allow.Crashes = true, true
		r.Memory.SetFaults(memory.Faults{RefuseCopy: memory.Times(-1), CopyError: queue.ErrTooLarge})
		sendRefused(r, 1, 0)
		c := r.Start(r.Handle(func(context.Context, string) error { return gentask.DeadLetter(errDown) }), gentask.Config{Concurrency: 4})
		r.Eventually("it is returned", func() bool { return len(r.Events(gentask.EventReturned)) > 2 })
		r.Kill("ledger")
		r.Eventually("it is returned again", func() bool { return len(r.Events(gentask.EventReturned)) > 4 })
		require.Equal(r, 1, r.Runs.Total())
		r.Memory.SetFaults(memory.Faults{})
		r.Finish()
		require.Equal(r, 1, r.Runs.Total())
		require.Equal(r, gentask.Consuming, c.Health().State)
	})
}

// TestScenario40_OnlyTheContextsError: a driver that returns no more than the error of its context,
// which was cut, keeps its session.
func TestScenario40_OnlyTheContextsError(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Logged = true
		r.Source = &oddSource{Source: r.Source, settle: func(ctx context.Context, s queue.Session, batch []queue.Settlement) error {
			if batch[0].Disposition == queue.DeadLetter && time.Since(rigEpoch) < 15*time.Second {
				<-ctx.Done()
				return ctx.Err()
			}
			return s.Settle(ctx, batch)
		}}
		sendRefused(r, 2, 10)
		began := time.Now()
		var done atomic.Int64
		r.Start(r.Handle(func(_ context.Context, id string) error {
			if id[0] == 'b' {
				return gentask.DeadLetter(errDown)
			}
			done.Add(1)
			return nil
		}), gentask.Config{Concurrency: 4})
		r.Eventually("others are done", func() bool { return done.Load() == 10 })
		require.Less(r, time.Since(began), time.Second)
		r.Finish()
		require.Equal(r, 1, r.Memory.Stats().Opened)
		require.ErrorIs(r, r.Events(gentask.EventSettleFailed)[0].Reason, gentask.ErrSettleTimeout)
	})
}

// rigEpoch is when the time of a bubble begins.
var rigEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
