package scenario_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// pickySource is a source whose broker takes no dead letters, until it does.
type pickySource struct {
	queue.Source
	takes atomic.Bool
}

func (p *pickySource) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	s, err := p.Source.Open(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &pickySession{s, p}, nil
}

type pickySession struct {
	queue.Session
	source *pickySource
}

func (s *pickySession) Settle(ctx context.Context, batch []queue.Settlement) error {
	var taken []queue.Settlement
	var failed []queue.SettleFailure
	for _, st := range batch {
		if st.Disposition == queue.DeadLetter && !s.source.takes.Load() {
			failed = append(failed, queue.SettleFailure{Tag: st.Delivery.Tag, Err: queue.ErrTooLarge})
			continue
		}
		taken = append(taken, st)
	}
	if len(taken) > 0 {
		if err := s.Session.Settle(ctx, taken); err != nil {
			return err
		}
	}
	if failed != nil {
		return &queue.SettleError{Failed: failed}
	}
	return nil
}

func (s *pickySession) Return(ctx context.Context, batch []queue.Settlement) error {
	return s.Session.(queue.Returner).Return(ctx, batch)
}

// TestScenario40_OnServers: dead letters that are not taken go back to a real broker, others go on
// in the same session, and what was decided is not run again: the dead letters are there when they
// are taken.
func TestScenario40_OnServers(t *testing.T) {
	onServers(t, func(r *rig.Rig) {
		const bad, good = 3, 40
		r.Allow.Logged = true
		source := &pickySource{Source: r.Source}
		r.Source = source
		var done atomic.Int64
		sendRefused(r, bad, good)
		c := r.Start(r.Handle(func(_ context.Context, id string) error {
			if id[0] == 'b' {
				return gentask.DeadLetter(errDown)
			}
			done.Add(1)
			return nil
		}), gentask.Config{Concurrency: 2, Prefetch: 4})
		r.Eventually("others are done", func() bool { return done.Load() == good })
		r.Eventually("each is returned twice", func() bool { return len(r.Events(gentask.EventReturned)) >= 2*bad })
		require.ErrorIs(r, r.Events(gentask.EventReturned)[0].Reason, queue.ErrTooLarge)
		source.takes.Store(true)
		r.Finish()
		require.Equal(r, bad+good, r.Runs.Total(), "each has run once")
		require.Empty(r, r.Events(gentask.EventSessionLost))
		dead, err := r.DeadLetters(r.Context())
		require.NoError(r, err)
		require.Len(r, dead, bad)
		for _, m := range dead {
			require.Equal(r, "1", m.Headers[queue.HeaderAttempts], "returns are no attempts")
		}
		r.Eventually("all is well", func() bool { return c.Health().Healthy() })
	})
}
