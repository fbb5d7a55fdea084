package rabbitmq

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
)

// small are sizes with which a snapshot comes soon, and the broker drops what is before.
var small = sizes{entries: 200, bytes: 100 << 10, behind: 4 << 20, log: 1 << 20, segment: 64 << 10}

// stores opens n stores of one new name, each with a connection of its own.
func stores(t testing.TB, z sizes, n int) (name string, all []*store) {
	t.Helper()
	name = strings.ToLower(rand.Text())
	for range n {
		all = append(all, openStore(t, name, z))
	}
	t.Cleanup(func() { deleteStream(t, name) })
	return name, all
}

func deleteStream(t testing.TB, name string) {
	foreign(t, func(ch *amqp.Channel) {
		_, err := ch.QueueDelete(storePrefix+name, false, false, false)
		require.NoError(t, err)
	})
}

func openStore(t testing.TB, name string, z sizes) *store {
	t.Helper()
	b, err := New(brokertest.RabbitMQ(t))
	require.NoError(t, err)
	s, err := b.store(t.Context(), name, z)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, b.Close())
	})
	return s
}

// TestSnapshots: many writers, whose log the broker drops behind snapshots. Programs that open the
// store at any time have all records, and counters lose no increment.
func TestSnapshots(t *testing.T) {
	t.Parallel()
	const writers, each, counters = 4, 200, 7
	name, all := stores(t, small, writers)
	var work sync.WaitGroup
	failed := make([]error, writers)
	for i, s := range all {
		work.Go(func() {
			for n := 0; n < each && failed[i] == nil; n++ {
				failed[i] = increment(t.Context(), s, fmt.Sprint("k", (i+n)%counters))
			}
		})
	}
	for range 3 {
		late := openStore(t, name, small)
		n, err := late.Count(t.Context(), "")
		require.NoError(t, err)
		require.LessOrEqual(t, n, counters)
	}
	work.Wait()
	require.NoError(t, errors.Join(failed...))
	late := openStore(t, name, small)
	sum := 0
	for i := range counters {
		r, err := late.Get(t.Context(), fmt.Sprint("k", i))
		require.NoError(t, err)
		var n int
		_, err = fmt.Sscan(string(r.Value[:10]), &n)
		require.NoError(t, err)
		sum += n
	}
	require.Equal(t, writers*each, sum)
	require.Positive(t, late.follower.Newest(), "it has read the log from a snapshot on")
	t.Logf("the log has %d entries, and a snapshot at %d", late.follower.Behind().Entries, late.follower.Newest())
}

// increment adds one to a counter, whose record has a kilobyte.
func increment(ctx context.Context, s *store, key string) error {
	for {
		r, err := s.Get(ctx, key)
		n := 0
		if err == nil {
			_, err = fmt.Sscan(string(r.Value[:10]), &n)
		}
		if err != nil && !errors.Is(err, queue.ErrNoRecord) {
			return err
		}
		value := make([]byte, 1000)
		copy(value, fmt.Sprintf("%10d", n+1))
		if _, err = s.Put(ctx, key, value, r.Revision, 0); !errors.Is(err, queue.ErrConflict) {
			return err
		}
	}
}

// TestTimeGoesOn: the time of a record passes on when one program follows another, and does not
// begin again.
func TestTimeGoesOn(t *testing.T) {
	t.Parallel()
	const keep = 5 * time.Second
	name, all := stores(t, usual, 1)
	start := time.Now()
	_, err := all[0].Put(t.Context(), "k", nil, queue.Always, keep)
	require.NoError(t, err)
	time.Sleep(keep * 2 / 3)
	last := openStore(t, name, usual)
	require.NoError(t, all[0].Close())
	require.Eventually(t, func() bool {
		_, err := last.Get(t.Context(), "k")
		return errors.Is(err, queue.ErrNoRecord)
	}, keep, 10*time.Millisecond)
	require.False(t, brokertest.Early(start.Add(keep)))
	require.Less(t, time.Since(start), keep+keep*2/3, "its time began again")
}
