package rabbitmq

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/rabbitmq/internal/replica"
)

// TestLostEnd: a program has read entries that the broker has lost since, as after a power cut.
// Then the store has another incarnation for everyone, its revisions are larger than those that
// were lost, and the program has what is there.
func TestLostEnd(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]int{"the log ends before": 0, "others have written since": 30} {
		t.Run(name, func(t *testing.T) {
			_, all := stores(t, usual, 2)
			one, other := all[0], all[1]
			kept, err := one.Put(t.Context(), "kept", nil, queue.Always, 0)
			require.NoError(t, err)
			before, err := other.Facts(t.Context())
			require.NoError(t, err)
			resets := follow(t, other)
			last := one.dream(20)
			for i := range more {
				_, err := other.Put(t.Context(), fmt.Sprint(i), nil, queue.Always, 0)
				require.NoError(t, err)
			}
			require.Eventually(t, func() bool { return len(resets) > 0 }, patience, patience/1000)
			after, err := one.Facts(t.Context())
			require.NoError(t, err)
			require.NotEqual(t, before.Incarnation, after.Incarnation)
			_, err = one.Get(t.Context(), "dream")
			require.ErrorIs(t, err, queue.ErrNoRecord)
			r, err := one.Get(t.Context(), "kept")
			require.NoError(t, err)
			require.Equal(t, kept, r.Revision)
			n, err := one.Count(t.Context(), "")
			require.NoError(t, err)
			require.Equal(t, 1+more, n)
			revision, err := other.Put(t.Context(), "dream", nil, queue.Absent, 0)
			require.NoError(t, err)
			require.Greater(t, revision, last)
		})
	}
}

// dream makes a store read entries that are not in the log, and cuts its connection. It returns the
// last revision.
func (s *store) dream(n int) queue.Revision {
	l, _ := s.keeper.current()
	s.mu.Lock()
	defer s.mu.Unlock()
	l.cut()
	<-l.over()
	for i := range n {
		last, _ := s.follower.Last()
		s.follower.Read(last+1, &replica.Entry{
			Kind: replica.KindPut, ID: fmt.Sprint("dream", i), Incarnation: s.state.Incarnation(), Key: "dream",
			Condition: queue.Always,
		}, 1)
	}
	k, _ := s.state.Get("dream")
	return k.Revision
}

// follow returns a channel that gets the resets of a watch, which ends with the test.
func follow(t *testing.T, s *store) <-chan queue.Change {
	ctx, cancel := context.WithCancel(context.Background())
	resets := make(chan queue.Change, 100)
	var watching sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		watching.Wait()
	})
	current := make(chan struct{}, 100)
	watching.Go(func() {
		for c, err := range s.Watch(ctx, "") {
			require.NoError(t, err)
			switch c.Kind {
			case queue.ChangeReset:
				resets <- c
			case queue.ChangeCurrent:
				current <- struct{}{}
			case queue.ChangeSet, queue.ChangeGone, queue.ChangeAlive:
			}
		}
	})
	<-current
	return resets
}
