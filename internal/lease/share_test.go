package lease_test

import (
	"context"
	"fmt"
	"math/rand/v2"
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

// usage counts the units in use, by a clock that all programs share.
type usage struct {
	mu    sync.Mutex
	total int
	now   int
	most  int
	since time.Time
	area  time.Duration // units x time
	each  map[string]time.Duration
}

func newUsage(total int) *usage {
	return &usage{total: total, since: time.Now(), each: map[string]time.Duration{}}
}

func (u *usage) add(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.area += time.Duration(u.now) * time.Since(u.since)
	u.since = time.Now()
	u.now += n
	u.most = max(u.most, u.now)
}

// soFar returns the sum of the times for which units were in use.
func (u *usage) soFar() time.Duration {
	u.add(0)
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.area
}

func (u *usage) used(who string, d time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.each[who] += d
}

// load runs jobs of up to the time in a program, with so many at a time if the share has units for
// them, until ctx ends.
func load(ctx context.Context, k *lease.Keeper, u *usage, who string, most int, job func() time.Duration) {
	free := make(chan struct{}, 1)
	stir := func() {
		select {
		case free <- struct{}{}:
		default:
		}
	}
	s := k.Share("jobs", u.total, stir)
	s.Want(most)
	var jobs sync.WaitGroup
	running := make(chan struct{}, most)
	for ctx.Err() == nil {
		for len(running) < most {
			p, ok := s.Acquire()
			if !ok {
				break
			}
			running <- struct{}{}
			u.add(1)
			jobs.Go(func() {
				begun := time.Now()
				select {
				case <-time.After(job()):
				case <-p.Context().Done():
				}
				u.add(-1)
				u.used(who, time.Since(begun))
				p.Release()
				<-running
				stir()
			})
		}
		select {
		case <-free:
		case <-ctx.Done():
		}
	}
	jobs.Wait()
	s.Close()
}

// TestShare_DividesTheUnits evenly, uses nearly all of them, and never more.
func TestShare_DividesTheUnits(t *testing.T) {
	for _, c := range []struct{ total, programs, most int }{
		{1, 1, 5}, {1, 4, 5}, {5, 8, 5}, {10, 3, 10}, {16, 4, 16}, {400, 8, 150},
	} {
		t.Run(fmt.Sprintf("%d units for %d", c.total, c.programs), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := memory.NewBroker()
				u := newUsage(c.total)
				lasts := time.Duration(max(20, c.total)) * time.Millisecond
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				var all sync.WaitGroup
				r := rand.New(rand.NewPCG(1, 2))
				for i := range c.programs {
					p := newProgram(t, b, fmt.Sprint(i), func(s queue.Store) queue.Store {
						return &slowStore{Store: s, slow: time.Millisecond}
					})
					mine := rand.New(rand.NewPCG(r.Uint64(), 1))
					var mu sync.Mutex
					all.Go(func() {
						load(ctx, p.keeper, u, fmt.Sprint(i), c.most, func() time.Duration {
							mu.Lock()
							defer mu.Unlock()
							return time.Duration(1 + mine.IntN(int(lasts)))
						})
						p.keeper.Close(context.Background())
					})
				}
				all.Wait()
				require.LessOrEqual(t, u.most, c.total)
				share := float64(u.area) / float64(20*time.Second) / float64(c.total)
				least, most := time.Hour, time.Duration(0)
				for _, d := range u.each {
					least, most = min(least, d), max(most, d)
				}
				t.Logf("%.3f of the units used; from %v to %v", share, least, most)
				require.GreaterOrEqual(t, share, 0.95)
				require.Len(t, u.each, c.programs)
				require.LessOrEqual(t, most, 2*least, "even")
			})
		})
	}
}

// oneShare returns a share of a program behind the store, with units that it does not use.
func oneShare(t *testing.T, p *program, total int) *lease.Share {
	t.Helper()
	s := p.keeper.Share("jobs", total, nil)
	s.Want(total)
	synctest.Wait()
	require.Equal(t, total, grab(s))
	return s
}

// grab returns how many units could be had, and gives them back.
func grab(s *lease.Share) int {
	var all []*lease.Permit
	for p, ok := s.Acquire(); ok; p, ok = s.Acquire() {
		all = append(all, p)
	}
	for _, p := range all {
		p.Release()
	}
	return len(all)
}

// TestShare_DoesNotUseWhatItMayHaveGivenBack: while it is not known whether units were given back,
// they are not used, though they are wanted again. They can be once it is known.
func TestShare_DoesNotUseWhatItMayHaveGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := &heldStore{}
		p := newProgram(t, memory.NewBroker(), "a", held.of)
		s := oneShare(t, p, 5)
		held.hold(true)
		s.Want(2)
		time.Sleep(1100 * time.Millisecond) // it gives 3 back, and hears nothing
		s.Want(5)
		time.Sleep(500 * time.Millisecond)
		require.Equal(t, 2, grab(s))
		p.line.Cut() // what is certain not to be written says nothing of what was written before
		time.Sleep(300 * time.Millisecond)
		require.Equal(t, 2, grab(s))
		p.line.Restore()
		held.hold(false)
		time.Sleep(300 * time.Millisecond)
		require.Equal(t, 5, grab(s))
		held.apply() // what was on its way changes nothing
		time.Sleep(300 * time.Millisecond)
		require.Equal(t, 5, grab(s))
		s.Close()
		p.keeper.Close(t.Context())
	})
}

// TestShare_KeepsWhatItCouldNotGiveBack: units that were certainly not given back can be used.
func TestShare_KeepsWhatItCouldNotGiveBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProgram(t, memory.NewBroker(), "a")
		s := oneShare(t, p, 5)
		s.Want(2)
		time.Sleep(900 * time.Millisecond)
		p.line.Cut()
		time.Sleep(300 * time.Millisecond)
		s.Want(5)
		time.Sleep(200 * time.Millisecond)
		require.Equal(t, 5, grab(s))
		p.line.Restore()
		s.Close()
		p.keeper.Close(t.Context())
	})
}

// TestShare_Insists on free units that a program whose turn it is does not take.
func TestShare_Insists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.NewBroker()
		store, err := b.Store(t.Context(), "fleet")
		require.NoError(t, err)
		for key, value := range map[string]string{
			"lease.other": `{"ttl_ms": 600000}`,
			"share.jobs":  `{"other": {"has": 0, "hungry": true, "turn": 1}}`,
		} {
			_, err = store.Put(t.Context(), key, []byte(value), queue.Absent, 0)
			require.NoError(t, err)
		}
		p := newProgram(t, b, "a")
		s := p.keeper.Share("jobs", 1, nil)
		s.Want(1)
		synctest.Wait()
		require.Zero(t, grab(s), "it is not its turn")
		time.Sleep(150 * time.Millisecond)
		require.Equal(t, 1, grab(s))
		s.Close()
		p.keeper.Close(t.Context())
		record, err := store.Get(t.Context(), "share.jobs")
		require.NoError(t, err)
		require.NotContains(t, string(record.Value), `"a"`, "Close has given everything back")
	})
}

// TestShare_OneWatchForAllLeases: however many programs have units, a hungry one watches all of
// their leases at once, and none when it is not hungry any more.
func TestShare_OneWatchForAllLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.NewBroker()
		const n = 20
		counted := &countedStore{now: map[string]int{}, most: map[string]int{}}
		programs, shares := make([]*program, n), make([]*lease.Share, n)
		for i := range n {
			programs[i] = newProgram(t, b, fmt.Sprint(i), func(s queue.Store) queue.Store {
				if i < n-1 {
					return s
				}
				counted.Store = s
				return counted
			})
			shares[i] = programs[i].keeper.Share("jobs", 40, nil)
			shares[i].Want(5)
			synctest.Wait()
		}
		time.Sleep(time.Second)
		for i, s := range shares {
			require.Equal(t, 2, grab(s), "program %d: all are hungry, and have their fair share", i)
		}
		require.Equal(t, 1, counted.of(counted.most))
		shares[n-1].Want(2)
		time.Sleep(time.Second)
		require.Zero(t, counted.of(counted.now))
		for i := range n {
			shares[i].Close()
			programs[i].keeper.Close(t.Context())
		}
	})
}

// TestShare_Resize: fewer units are divided evenly, as those in use become free.
func TestShare_Resize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.NewBroker()
		var shares []*lease.Share
		var programs []*program
		for i := range 2 {
			p := newProgram(t, b, fmt.Sprint(i))
			programs = append(programs, p)
			s := p.keeper.Share("jobs", 10, nil)
			s.Want(10)
			shares = append(shares, s)
		}
		time.Sleep(time.Second)
		require.Equal(t, []int{5, 5}, []int{grab(shares[0]), grab(shares[1])})
		for _, s := range shares {
			s.Resize(4)
		}
		time.Sleep(time.Second)
		require.Equal(t, []int{2, 2}, []int{grab(shares[0]), grab(shares[1])})
		for i, s := range shares {
			s.Close()
			programs[i].keeper.Close(t.Context())
		}
	})
}

// TestShare_NeverMore units are in use than there are, over a bad network and cuts.
func TestShare_NeverMore(t *testing.T) {
	for seed := range rig.Seeds(12, 4) {
		synctest.Test(t, func(t *testing.T) { neverMore(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func neverMore(t *testing.T, r *rand.Rand) {
	t.Helper()
	b := memory.NewBroker()
	u := newUsage(1 + r.IntN(20))
	programs := make([]*program, 2+r.IntN(5))
	var all, late sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for i := range programs {
		p := newProgram(t, b, fmt.Sprint(i), func(s queue.Store) queue.Store {
			return &badStore{Store: s, r: rand.New(rand.NewPCG(r.Uint64(), 3)), late: &late}
		})
		programs[i] = p
		mine := rand.New(rand.NewPCG(r.Uint64(), 1))
		var mu sync.Mutex
		all.Go(func() {
			luck := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return mine.IntN(n)
			}
			for ctx.Err() == nil {
				turn, end := context.WithTimeout(ctx, time.Duration(luck(20_000))*time.Millisecond)
				load(turn, p.keeper, u, fmt.Sprint(i), 1+luck(10), func() time.Duration { return time.Duration(luck(int(time.Second))) })
				end()
			}
		})
	}
	storm(r, programs, 300, func() {})
	before := u.soFar()
	time.Sleep(30 * time.Second)
	require.Greater(t, u.soFar()-before, 5*time.Second, "in use again in the end")
	cancel()
	all.Wait()
	for _, p := range programs {
		p.keeper.Close(t.Context())
	}
	late.Wait()
	require.LessOrEqual(t, u.most, u.total)
}
