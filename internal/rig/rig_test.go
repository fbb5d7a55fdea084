package rig_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRig_Runs: what is counted while three jobs run on two slots.
func TestRig_Runs(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(2)
		r.Publish(1)
		r.Start(r.Handle(func(ctx context.Context, id string) error {
			job, _ := gentask.FromContext(ctx)
			require.Equal(r, id, job.ID())
			<-time.After(time.Second)
			return nil
		}), gentask.Config{Concurrency: 2, Prefetch: 3})
		r.Eventually("two run", func() bool { return r.Runs.Now() == 2 })
		r.Balanced()
		r.Finish()
		require.Equal(r, 3, r.Runs.Total())
		require.Equal(r, 1, r.Runs.Of("3"))
		require.Equal(r, 2, r.Runs.Most())
		require.Zero(r, r.Runs.Now())
		require.Len(r, r.Events(gentask.EventDone), 3)
	})
}

// TestRig_Overlaps: two runs of one message at the same time are seen.
func TestRig_Overlaps(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Overlaps, r.Allow.Unfinished = true, true
		release := make(chan struct{})
		defer close(release)
		r.Publish(1)
		r.Start(r.Handle(func(context.Context, string) error { // never stops, so it is abandoned, and run again
			if r.Runs.Total() == 1 {
				<-release
			}
			return nil
		}), gentask.Config{Timeout: time.Second, Grace: -1})
		r.Finish()
		require.Equal(r, []string{"1"}, r.Runs.Overlaps())
	})
}

// TestSpy_SeesEveryBreach: what a consumer must never do is seen, on any broker.
func TestSpy_SeesEveryBreach(t *testing.T) {
	for name, c := range map[string]struct {
		breach func(ctx context.Context, source queue.Source, s queue.Session, d *queue.Delivery)
		want   []string
	}{
		"None": {func(ctx context.Context, _ queue.Source, s queue.Session, d *queue.Delivery) {
			ack(ctx, s, d)
			_ = s.Close(ctx)
		}, nil},
		"NotSettled": {func(context.Context, queue.Source, queue.Session, *queue.Delivery) {}, []string{"never settled", "never closed"}},
		"SettledTwice": {func(ctx context.Context, _ queue.Source, s queue.Session, d *queue.Delivery) {
			ack(ctx, s, d)
			ack(ctx, s, d)
			_ = s.Close(ctx)
		}, []string{"settled before"}},
		"OtherSession": {func(ctx context.Context, source queue.Source, s queue.Session, d *queue.Delivery) {
			_ = s.Close(ctx)
			next, _ := source.Open(ctx, queue.Options{Prefetch: 1})
			ack(ctx, next, d)
			_ = next.Close(ctx)
		}, []string{"I5", "refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			q := memory.New(memory.Config{})
			source, faults := rig.Spy(q)
			require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "m"}))
			s, err := source.Open(t.Context(), queue.Options{Prefetch: 1})
			require.NoError(t, err)
			d, err := s.Receive(t.Context())
			require.NoError(t, err)
			c.breach(t.Context(), source, s, d)
			found := faults()
			require.Len(t, found, len(c.want), "%v", found)
			for i, want := range c.want {
				require.ErrorContains(t, found[i], want)
			}
		})
	}
}

func ack(ctx context.Context, s queue.Session, d *queue.Delivery) {
	_ = s.Settle(ctx, []queue.Settlement{{Delivery: d, Disposition: queue.Ack}})
}
