package gentask

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// ringing is an alarm, and when it rang.
type ringing struct {
	sync.Mutex
	alarm
	begin time.Time
	rings []time.Duration
}

// in sets the alarm for some time after the beginning.
func (r *ringing) in(d time.Duration) {
	r.Lock()
	defer r.Unlock()
	at := r.begin.Add(d)
	r.set(at, func(wait time.Duration) *time.Timer {
		return time.AfterFunc(wait, func() {
			r.Lock()
			defer r.Unlock()
			r.rings = append(r.rings, time.Since(r.begin))
			r.rang(at)
		})
	})
}

// sleep lets time pass until d after the beginning.
func (r *ringing) sleep(d time.Duration) {
	time.Sleep(time.Until(r.begin.Add(d)))
	synctest.Wait()
}

// TestAlarm rings once, at the earliest of the times that it was set for, and can then be set
// again.
func TestAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &ringing{begin: time.Now()}
		for _, seconds := range []int{3, 5, 2, 2, 4} {
			r.in(time.Duration(seconds) * time.Second)
		}
		r.set(time.Time{}, func(time.Duration) *time.Timer { panic("never") })
		r.sleep(10 * time.Second)
		require.Equal(t, []time.Duration{2 * time.Second}, r.rings)
		r.in(12 * time.Second)
		r.sleep(20 * time.Second)
		require.Equal(t, []time.Duration{2 * time.Second, 12 * time.Second}, r.rings)
	})
}

// TestAlarm_SetAgain: the ring of a time that it is no longer set for, which was on its way,
// changes nothing.
func TestAlarm_SetAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &ringing{begin: time.Now()}
		r.in(5 * time.Second)
		r.in(2 * time.Second)
		r.rang(r.begin.Add(5 * time.Second)) // no other goroutine is in it yet
		r.in(3 * time.Second)
		r.sleep(10 * time.Second)
		require.Equal(t, []time.Duration{2 * time.Second}, r.rings)
	})
}
