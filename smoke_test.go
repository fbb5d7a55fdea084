package gentask

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

func TestSmoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(memory.Config{Journal: true})
		defer q.Close()
		type mail struct{ To string }
		for range 10 {
			require.NoError(t, q.Publish(t.Context(), queue.Message{Body: []byte(`{"To":"x"}`)}))
		}
		n := 0
		c, err := New(q, Handle(func(ctx context.Context, m mail) error {
			n++
			switch n {
			case 1:
				panic("boom")
			case 2:
				runtime.Goexit()
			case 3:
				return errors.New("x")
			case 4:
				time.Sleep(time.Minute)
			}
			return nil
		}), Config{Concurrency: 1, OnEvent: func(ev Event) { t.Logf("%v %v %v %v %v %v", ev.Kind, ev.ID, ev.Attempt, ev.Settlement, ev.Outcome, ev.Reason) }})
		require.NoError(t, err)
		require.NoError(t, c.Start())
		require.NoError(t, q.WaitEmpty(t.Context()))
		t.Log(c.Health())
		rep, err := c.Stop(t.Context())
		require.NoError(t, err)
		t.Log(rep, q.Stats())
		require.NoError(t, q.Check())
		time.Sleep(2 * time.Second)
	})
}
