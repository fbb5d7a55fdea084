package lease_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/lease"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// starts are the starts of all programs, by a clock that they share.
type starts struct {
	mu   sync.Mutex
	all  []time.Time
	each map[string]int
}

func (s *starts) add(who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, time.Now())
	s.each[who]++
}

func (s *starts) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// excess returns how many starts there are beyond the rate in the worst of all intervals: the
// burst is allowed.
func (s *starts) excess(perSecond float64) float64 {
	slices.SortFunc(s.all, time.Time.Compare)
	least, worst := 0.0, 0.0
	for i, at := range s.all {
		n := float64(i) - perSecond*at.Sub(s.all[0]).Seconds()
		least = min(least, n)
		worst = max(worst, n+1-least)
	}
	return worst
}

// hurry makes as many starts as a program may, until ctx ends. While idle returns a time, nothing
// is to be started for it.
func hurry(ctx context.Context, k *lease.Keeper, l lease.Limit, s *starts, who string, idle func() time.Duration) {
	free := make(chan struct{}, 1)
	r := k.Rate("jobs", l, func() {
		select {
		case free <- struct{}{}:
		default:
		}
	})
	defer r.Close()
	for ctx.Err() == nil {
		if d := idle(); d > 0 {
			r.Want(false)
			pause(ctx, d, nil)
			continue
		}
		ok, at := r.Take()
		if ok {
			s.add(who)
			continue
		}
		r.Want(true)
		wait := time.Hour
		if !at.IsZero() {
			wait = time.Until(at)
		}
		pause(ctx, wait, free)
	}
}

func pause(ctx context.Context, d time.Duration, free <-chan struct{}) {
	select {
	case <-time.After(d):
	case <-free:
	case <-ctx.Done():
	}
}

func never() time.Duration { return 0 }

// TestRate_DividesTheStarts evenly, makes nearly all of them, and never more.
func TestRate_DividesTheStarts(t *testing.T) {
	for _, c := range []struct {
		lease.Limit
		programs int
	}{
		{lease.Limit{PerSecond: 10, Burst: 1}, 1},
		{lease.Limit{PerSecond: 10, Burst: 1}, 8},
		{lease.Limit{PerSecond: 0.5, Burst: 1}, 4},
		{lease.Limit{PerSecond: 100, Burst: 10}, 8},
		{lease.Limit{PerSecond: 100, Burst: 5}, 8},
		{lease.Limit{PerSecond: 1000, Burst: 100}, 20},
		{lease.Limit{PerSecond: 3000, Burst: 5000}, 3},
	} {
		t.Run(fmt.Sprintf("%v for %d", c.Limit, c.programs), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := memory.NewBroker()
				s := &starts{each: map[string]int{}}
				lasts := time.Duration(max(20, 100/c.PerSecond)) * time.Second
				ctx, cancel := context.WithTimeout(t.Context(), lasts)
				defer cancel()
				var all sync.WaitGroup
				for i := range c.programs {
					p := newProgram(t, b, fmt.Sprint(i), func(s queue.Store) queue.Store {
						return &slowStore{Store: s, slow: time.Millisecond}
					})
					all.Go(func() {
						hurry(ctx, p.keeper, c.Limit, s, fmt.Sprint(i), never)
						p.keeper.Close(context.Background())
					})
				}
				all.Wait()
				share := float64(len(s.all)) / (c.PerSecond * lasts.Seconds())
				least, most := len(s.all), 0
				for _, n := range s.each {
					least, most = min(least, n), max(most, n)
				}
				t.Logf("%.3f of the rate; from %d to %d; %.2f of %d at once", share, least, most, s.excess(c.PerSecond), c.Burst)
				require.LessOrEqual(t, s.excess(c.PerSecond), float64(c.Burst)+1e-3)
				require.GreaterOrEqual(t, share, 0.95)
				require.Len(t, s.each, c.programs)
				require.LessOrEqual(t, most, 3*least+least/10+2, "as even as the units are")
			})
		})
	}
}

// TestRate_TheBurstTravels: a program that had a lull gives the whole burst on to another one.
func TestRate_TheBurstTravels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.NewBroker()
		l := lease.Limit{PerSecond: 1, Burst: 20}
		var rates []*lease.Rate
		var programs []*program
		for i := range 3 {
			p := newProgram(t, b, fmt.Sprint(i))
			programs = append(programs, p)
			rates = append(rates, p.keeper.Rate("jobs", l, nil))
		}
		burst := func(r *lease.Rate) (n int) {
			r.Want(true)
			synctest.Wait()
			for ok, _ := r.Take(); ok; ok, _ = r.Take() {
				n++
			}
			r.Want(false)
			return n
		}
		require.Zero(t, burst(rates[0]), "at first it is empty")
		time.Sleep(30 * time.Second)
		require.Equal(t, 20, burst(rates[1]), "those of another program, which were full")
		time.Sleep(5010 * time.Millisecond)
		require.Equal(t, 5, burst(rates[1]))
		rates[2].Want(true) // hungry: what the other one does not need comes at once
		time.Sleep(10010 * time.Millisecond)
		require.Equal(t, 10, burst(rates[2]))
		for i, r := range rates {
			r.Close()
			programs[i].keeper.Close(t.Context())
		}
		store, err := b.Store(t.Context(), "fleet")
		require.NoError(t, err)
		leases, err := store.Count(t.Context(), "lease")
		require.NoError(t, err)
		require.Zero(t, leases)
	})
}

// TestRate_Return: a token that was not used can be used again, and not if its lease was lost.
func TestRate_Return(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProgram(t, memory.NewBroker(), "a")
		r := p.keeper.Rate("jobs", lease.Limit{PerSecond: 0.1, Burst: 1}, nil)
		r.Want(true)
		time.Sleep(11 * time.Second)
		for range 3 {
			ok, _ := r.Take()
			require.True(t, ok)
			r.Return()
		}
		ok, _ := r.Take()
		require.True(t, ok)
		p.line.Cut()
		time.Sleep(2 * time.Second)
		ok, at := r.Take()
		require.False(t, ok)
		require.Zero(t, at, "without a lease there is nothing to wait for")
		p.line.Restore()
		time.Sleep(2 * time.Second)
		r.Return()
		ok, at = r.Take()
		require.False(t, ok)
		require.Greater(t, time.Until(at), 7*time.Second, "it began empty")
		r.Close()
		p.keeper.Close(t.Context())
	})
}

// TestRate_NeverMore starts are made than the rate allows, over a bad network and cuts.
func TestRate_NeverMore(t *testing.T) {
	for seed := range rig.Seeds(12, 4) {
		synctest.Test(t, func(t *testing.T) { neverFaster(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func neverFaster(t *testing.T, r *rand.Rand) {
	t.Helper()
	b := memory.NewBroker()
	l := lease.Limit{PerSecond: 1 + 100*r.Float64()*r.Float64(), Burst: 1 + r.IntN(20)}
	s := &starts{each: map[string]int{}}
	programs := make([]*program, 2+r.IntN(5))
	var all, late sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for i := range programs {
		p := newProgram(t, b, fmt.Sprint(i), func(s queue.Store) queue.Store {
			return &badStore{Store: s, r: rand.New(rand.NewPCG(r.Uint64(), 3)), late: &late}
		})
		programs[i] = p
		mine := rand.New(rand.NewPCG(r.Uint64(), 1))
		all.Go(func() {
			for ctx.Err() == nil {
				turn, end := context.WithTimeout(ctx, time.Duration(mine.IntN(20_000))*time.Millisecond)
				hurry(turn, p.keeper, l, s, fmt.Sprint(i), func() time.Duration {
					return time.Duration(max(0, mine.IntN(6000)-5950)) * 100 * time.Millisecond
				})
				end()
			}
		})
	}
	storm(r, programs, 300, func() {})
	before := s.count()
	time.Sleep(30 * time.Second)
	require.Greater(t, s.count(), before, "it goes on in the end")
	cancel()
	all.Wait()
	for _, p := range programs {
		p.keeper.Close(t.Context())
	}
	late.Wait()
	require.LessOrEqual(t, s.excess(l.PerSecond), float64(l.Burst)+1e-3)
}
