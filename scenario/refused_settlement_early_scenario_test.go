package scenario_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// shortSource is a memory queue that keeps nothing for longer than a while, as drivers do it whose
// broker has a longest delay.
type shortSource struct {
	queue.Source
	longest time.Duration
	mu      sync.Mutex
	due     map[string]time.Time
}

func (o *shortSource) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	s, err := o.Source.Open(ctx, opts)
	return &shortSession{s, o}, err
}

type shortSession struct {
	queue.Session
	source *shortSource
}

func (s *shortSession) Receive(ctx context.Context) (*queue.Delivery, error) {
	d, err := s.Session.Receive(ctx)
	if err == nil {
		s.source.mu.Lock()
		d.NotBefore = s.source.due[d.ID]
		s.source.mu.Unlock()
	}
	return d, err
}

func (s *shortSession) Settle(ctx context.Context, batch []queue.Settlement) error {
	s.source.mu.Lock()
	for i := range batch {
		delete(s.source.due, batch[i].Delivery.ID)
		if batch[i].After > s.source.longest {
			s.source.due[batch[i].Delivery.ID] = time.Now().Add(batch[i].After)
			batch[i].After = s.source.longest
		}
	}
	s.source.mu.Unlock()
	return s.Session.Settle(ctx, batch)
}

// TestScenario40_LongerThanTheBrokerKeeps: a snooze and a requeue beyond the broker's longest delay
// are carried on: each is run when it is due, and what comes before costs nothing.
func TestScenario40_LongerThanTheBrokerKeeps(t *testing.T) {
	for name, decision := range map[string]gentask.Decision{
		"snooze": gentask.Snooze(90 * time.Minute), "requeue": gentask.Requeue(60 * time.Minute),
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Limit = 24 * time.Hour
				r.Source = &shortSource{Source: r.Source, longest: 40 * time.Minute, due: map[string]time.Time{}}
				r.Publish(1)
				began := time.Now()
				var runs []time.Duration
				var attempts []int
				r.Start(r.Handle(func(ctx context.Context, _ string) error {
					job, _ := gentask.FromContext(ctx)
					runs, attempts = append(runs, time.Since(began)), append(attempts, job.Attempt())
					if len(runs) == 1 {
						return job.Settle(decision)
					}
					return nil
				}), gentask.Config{Retry: gentask.Retry{MaxAttempts: 3}})
				r.Finish()
				require.Len(r, runs, 2)
				want, next := 90*time.Minute, 1
				if name == "requeue" {
					want, next = 60*time.Minute, 2
				}
				require.InDelta(r, want.Seconds(), runs[1].Seconds(), 1)
				require.Equal(r, []int{1, next}, attempts)
			})
		})
	}
}
