package gentask

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/admission"
)

// oneUnit is a quota of one unit.
type oneUnit struct{ taken bool }

func (*oneUnit) Want(int) {}

func (u *oneUnit) Acquire() (QuotaUnit, bool) {
	ok := !u.taken
	u.taken = true
	return u, ok
}

func (*oneUnit) Context() context.Context { return context.Background() }

func (u *oneUnit) Release() { u.taken = false }

// TestQuota_LooksAgainLater: whenever a unit is refused, the time to ask again is in the future, or
// there is none. A time in the past would make the ledger ask without end while a job runs.
func TestQuota_LooksAgainLater(t *testing.T) {
	var from atomic.Pointer[Quota]
	var source Quota = &oneUnit{}
	from.Store(&source)
	q := newQuota(&from, func(*admission.Item) {})
	first, second := &admission.Item{}, &admission.Item{}
	now := time.Now()
	require.Equal(t, admission.Admit, q.Pass(first, now).Kind)
	q.Started(first, now)
	for range 10 {
		a := q.Pass(second, now)
		require.Equal(t, admission.Block, a.Kind)
		require.True(t, a.Until.IsZero() || a.Until.After(now), "%v is not after %v", a.Until, now)
		require.False(t, q.starves(now), "it has a unit")
		now = now.Add(hungerLimit / 3)
	}
	q.Ended(first, admission.Result{}, now)
	require.Equal(t, admission.Admit, q.Pass(second, now).Kind)
}

// TestHunger begins when there is nothing, is long after its limit, and ends when there is
// something. If nothing waits any more it ends, too, unless it is long.
func TestHunger(t *testing.T) {
	var h hunger
	begin := time.Now()
	last := begin.Add(hungerLimit - 1)
	require.Zero(t, h.limit())
	require.False(t, h.long(last))
	h.feed(false, begin)
	h.feed(false, last)
	require.Equal(t, begin.Add(hungerLimit), h.limit())
	require.False(t, h.long(last))
	require.True(t, h.long(h.limit()))
	h.forget(h.limit())
	require.True(t, h.long(h.limit()))
	h.forget(last)
	require.Zero(t, h)
	h.feed(false, begin)
	h.feed(true, last)
	require.Zero(t, h)
}
