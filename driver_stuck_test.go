package gentask_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// sticky is a driver with a bug: the first call of one of its methods doesn't return until release is closed, whatever its context says.
type sticky struct {
	*memory.Queue
	method  string
	stuck   atomic.Bool
	release chan struct{}
}

type stickySession struct {
	queue.Session
	driver *sticky
}

func (d *sticky) stick(method string) {
	if d.method == method && d.stuck.CompareAndSwap(false, true) {
		<-d.release
	}
}

func (d *sticky) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	d.stick("Open")
	s, err := d.Queue.Open(ctx, opts)
	return &stickySession{s, d}, err
}

func (s *stickySession) Receive(ctx context.Context) (*queue.Delivery, error) {
	d, err := s.Session.Receive(ctx)
	if err != nil {
		s.driver.stick("Receive")
	}
	return d, err
}

func (s *stickySession) Settle(ctx context.Context, batch []queue.Settlement) error {
	s.driver.stick("Settle")
	return s.Session.Settle(ctx, batch)
}

func (s *stickySession) Cancel(ctx context.Context) error {
	s.driver.stick("Cancel")
	return s.Session.Cancel(ctx)
}

func (s *stickySession) Close(ctx context.Context) error {
	s.driver.stick("Close")
	return s.Session.Close(ctx)
}

// TestDriverStuck: a driver that doesn't return, whatever its context says, costs its session and a goroutine. The consumer goes on with the next
// session, ends in time, and says so.
func TestDriverStuck(t *testing.T) {
	for _, method := range []string{"Open", "Receive", "Settle", "Cancel", "Close"} {
		for _, drains := range []bool{false, true} {
			t.Run(method+"/drains "+strconv.FormatBool(drains), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { driverStuck(t, &sticky{method: method, release: make(chan struct{})}, drains) })
			})
		}
	}
}

func driverStuck(t *testing.T, d *sticky, drains bool) {
	d.Queue = memory.New(memory.Config{})
	var told atomic.Int64
	c, err := gentask.New(d, gentask.Handle(func(context.Context, string) error { return nil }), gentask.Config{
		OpenTimeout: 5 * time.Second, OnEvent: func(ev gentask.Event) {
			if ev.Kind == gentask.EventDriverStuck {
				told.Add(1)
			}
		},
	})
	require.NoError(t, err)
	require.NoError(t, c.Start())
	require.NoError(t, d.Publish(t.Context(), queue.Message{ID: "1", Body: []byte(`"1"`)}))
	synctest.Wait()
	if !drains {
		require.NoError(t, c.Pause(t.Context()))
		synctest.Wait()
		d.LoseSessions()
		require.NoError(t, c.Resume(t.Context()))
		require.NoError(t, d.Publish(t.Context(), queue.Message{ID: "2", Body: []byte(`"2"`)}))
		time.Sleep(time.Minute)
		require.Equal(t, gentask.Consuming, c.Health().State)
		require.Equal(t, 2, d.Stats().Acked)
	}
	start := time.Now()
	_, err = c.Stop(t.Context())
	require.NoError(t, err)
	require.LessOrEqual(t, time.Since(start), time.Minute)
	require.True(t, d.stuck.Load())
	require.EqualValues(t, 1, told.Load())
	close(d.release)
	synctest.Wait()
	require.Zero(t, d.Stats().Held)
}
