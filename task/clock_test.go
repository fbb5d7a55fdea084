package task

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A clock gives every run back when it is due, in order, while others are set, set again and
// removed; and it wakes its owner in time.
func TestClockAgainstAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(*testing.T) { clockAgainstModel(rt) })
	})
}

func clockAgainstModel(t *rapid.T) {
	epoch, woken := time.Now(), make(chan struct{}, 1000)
	c := clock{fire: func() { woken <- struct{}{} }}
	defer c.stop()
	runs := make([]*run, 8)
	for i := range runs {
		runs[i] = &run{id: uint64(i + 1)}
	}
	due := map[*run]time.Duration{} // the model
	far := map[*run]bool{}
	for range rapid.IntRange(1, 60).Draw(t, "steps") {
		now := time.Since(epoch)
		r := rapid.SampledFrom(runs).Draw(t, "run")
		switch rapid.SampledFrom([]string{"set", "set", "unset", "wait"}).Draw(t, "step") {
		case "set":
			d := time.Duration(rapid.IntRange(0, 4).Draw(t, "seconds")) * time.Second
			if rapid.IntRange(0, 9).Draw(t, "odds") == 0 {
				d = rapid.SampledFrom(extremes()).Draw(t, "extreme")
			}
			c.set(r, now, d)
			if due[r] = after(now, d); due[r] > now+time.Hour {
				delete(due, r) // after the end of the test
				far[r] = true
			} else {
				delete(far, r)
			}
		case "unset":
			c.unset(r)
			delete(due, r)
			delete(far, r)
		case "wait":
			clockRings(t, &c, epoch, woken, due)
		}
	}
	for len(due) > 0 {
		clockRings(t, &c, epoch, woken, due)
	}
	require.Empty(t, c.take(time.Since(epoch)))
	for r := range far {
		c.unset(r)
	}
	require.Equal(t, 0, len(c.order)+len(c.lists))
}

// clockRings lets a second pass, and compares what is due then.
func clockRings(t *rapid.T, c *clock, epoch time.Time, woken chan struct{}, due map[*run]time.Duration) {
	time.Sleep(time.Second)
	synctest.Wait()
	now := time.Since(epoch)
	var want []*run
	for r, at := range due {
		if at <= now {
			want = append(want, r)
			delete(due, r)
		}
	}
	if len(want) > 0 {
		require.NotEmpty(t, woken, "somebody is due")
	}
	for len(woken) > 0 {
		<-woken
	}
	got := c.take(now)
	require.ElementsMatch(t, want, got)
	require.True(t, slices.IsSortedFunc(got, func(a, b *run) int { return int(a.wait.due - b.wait.due) }))
}
