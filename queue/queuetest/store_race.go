package queuetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

func raceCases() []storeCase {
	return []storeCase{
		{name: "races/one of many creates", check: oneCreates},
		{name: "races/counters lose no increment", check: countersLoseNothing},
		{name: "races/a write is seen by everyone at once", check: writesAreSeen},
	}
}

// oneCreates: of many that put the same record if it is not there, one succeeds. The others have a
// conflict.
func oneCreates(b *storeBench) {
	stores := []queue.Store{b.open(), b.open()}
	for round := range 5 {
		var won, lost atomic.Int64
		var group sync.WaitGroup
		for i := range 16 {
			group.Go(func() {
				_, err := stores[i%2].Put(b.ctx, fmt.Sprintf("k%d", round), nil, queue.Absent, 0)
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, queue.ErrConflict):
					lost.Add(1)
				}
			})
		}
		group.Wait()
		require.EqualValues(b.t, 1, won.Load(), "succeeded")
		require.EqualValues(b.t, 15, lost.Load(), "had a conflict")
	}
}

// countersLoseNothing: those who read, add one, and write if nothing has changed, add up.
func countersLoseNothing(b *storeBench) {
	const writers, each, counters = 8, 25, 3
	stores := []queue.Store{b.open(), b.open()}
	var group sync.WaitGroup
	failed := make([]error, writers)
	for i := range writers {
		group.Go(func() {
			for n := range each {
				key := fmt.Sprintf("counter%d", (i+n)%counters)
				if failed[i] = b.increment(stores[i%2], key); failed[i] != nil {
					return
				}
			}
		})
	}
	group.Wait()
	require.NoError(b.t, errors.Join(failed...))
	sum := 0
	for i := range counters {
		got, err := stores[0].Get(b.ctx, fmt.Sprintf("counter%d", i))
		require.NoError(b.t, err)
		n, err := strconv.Atoi(string(got.Value))
		require.NoError(b.t, err)
		sum += n
	}
	require.Equal(b.t, writers*each, sum, "increments")
}

// increment adds one to a counter.
func (b *storeBench) increment(s queue.Store, key string) error {
	for {
		got, err := s.Get(b.ctx, key)
		if err != nil && !errors.Is(err, queue.ErrNoRecord) {
			return err
		}
		n := 0
		if err == nil { // otherwise the revision is Absent
			if n, err = strconv.Atoi(string(got.Value)); err != nil {
				return err
			}
		}
		time.Sleep(time.Millisecond) // so that others come between
		_, err = s.Put(b.ctx, key, []byte(strconv.Itoa(n+1)), got.Revision, 0)
		if !errors.Is(err, queue.ErrConflict) {
			return err
		}
	}
}

// writesAreSeen: a write that is confirmed is read through another connection at once.
func writesAreSeen(b *storeBench) {
	one, other := b.open(), b.open()
	for i := range 50 {
		value := strconv.Itoa(i)
		b.has(other, "k", value, b.put(one, "k", value))
		if i%10 == 9 {
			b.remove(one, "k")
			b.lacks(other, "k")
			b.counts(other, "", 0)
		}
	}
}
