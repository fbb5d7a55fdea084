package lease_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
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

// program is one program of a fleet, with a connection of its own.
type program struct {
	line   *memory.Broker
	keeper *lease.Keeper
}

func newProgram(t *testing.T, b *memory.Broker, name string, wrap ...func(queue.Store) queue.Store) *program {
	t.Helper()
	line := b.Connect()
	store, err := line.Store(t.Context(), "fleet")
	require.NoError(t, err)
	for _, w := range wrap {
		store = w(store)
	}
	facts, err := store.Facts(t.Context())
	require.NoError(t, err)
	return &program{line, lease.NewKeeper(store, facts, lease.Config{Node: name})}
}

// journal has who held a name when, by a clock that all share.
type journal struct {
	mu     sync.Mutex
	now    string // who holds it; empty for no program
	epochs []uint64
	took   []time.Time
	faults []string
}

// hold is a function for Only: it holds the name until its context ends.
func (j *journal) hold(who string) func(context.Context, uint64) error {
	return func(ctx context.Context, epoch uint64) error {
		j.enter(who, epoch)
		defer j.leave()
		<-ctx.Done()
		return ctx.Err()
	}
}

func (j *journal) enter(who string, epoch uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.now != "" {
		j.faults = append(j.faults, fmt.Sprintf("%s and %s at once", j.now, who))
	}
	if n := len(j.epochs); n > 0 && j.epochs[n-1] >= epoch {
		j.faults = append(j.faults, fmt.Sprintf("epoch %d after %d", epoch, j.epochs[n-1]))
	}
	j.now, j.epochs, j.took = who, append(j.epochs, epoch), append(j.took, time.Now())
}

func (j *journal) leave() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.now = ""
}

// holds returns when the name was taken.
func (j *journal) holds() []time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.took)
}

func (j *journal) holder() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.now
}

// TestOnly_TakesOver within two seconds when the holder is cut off, and at once when it gives the
// name back. The one that was cut off has stopped before.
func TestOnly_TakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.NewBroker()
		var j journal
		programs := map[string]*program{}
		ends := map[string]context.CancelFunc{}
		var all sync.WaitGroup
		for _, name := range []string{"a", "b", "c"} {
			p := newProgram(t, b, name)
			ctx, cancel := context.WithCancel(t.Context())
			programs[name], ends[name] = p, cancel
			all.Go(func() {
				require.ErrorIs(t, p.keeper.Only(ctx, "report", j.hold(name)), context.Canceled)
				p.keeper.Close(context.Background())
			})
		}
		synctest.Wait()
		first := j.holder()
		require.NotEmpty(t, first)

		time.Sleep(10 * time.Second)
		require.Equal(t, first, j.holder(), "a hold lasts")
		cut := time.Now()
		programs[first].line.Cut()
		time.Sleep(2 * time.Second)
		second := j.holder()
		require.NotContains(t, []string{"", first}, second)
		require.LessOrEqual(t, j.holds()[1].Sub(cut), 2*time.Second)
		programs[first].line.Restore()
		time.Sleep(10 * time.Second)
		require.Equal(t, second, j.holder(), "and is not taken back")

		ends[second]()
		synctest.Wait()
		require.NotContains(t, []string{"", second}, j.holder(), "at once")
		for _, end := range ends {
			end()
		}
		all.Wait()
		require.Empty(t, j.faults)
	})
}

// TestOnly_HoldsNothingIdle: a program that holds nothing renews nothing.
func TestOnly_HoldsNothingIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.NewBroker()
		p := newProgram(t, b, "a")
		store, err := b.Store(t.Context(), "fleet")
		require.NoError(t, err)
		require.NoError(t, p.keeper.Only(t.Context(), "x", func(context.Context, uint64) error { return nil }))
		synctest.Wait()
		n, err := store.Count(t.Context(), "")
		require.NoError(t, err)
		require.Zero(t, n)
		p.keeper.Close(t.Context())
	})
}

// TestOnly_ReturnsWhatTheFunctionReturns, however it ends, and gives the name to others.
func TestOnly_ReturnsWhatTheFunctionReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProgram(t, memory.NewBroker(), "a")
		defer p.keeper.Close(t.Context())
		for want, f := range map[string]func() error{
			"<nil>":          func() error { return nil },
			"refused":        func() error { return errors.New("refused") },
			"panic: bug":     func() error { panic("bug") },
			"runtime.Goexit": func() error { runtime.Goexit(); return nil },
		} {
			err := p.keeper.Only(t.Context(), "x", func(context.Context, uint64) error { return f() })
			require.Contains(t, fmt.Sprint(err), want)
		}
	})
}

// TestOnly_WithinAProgram: a name that a program holds is not free for its other goroutines.
func TestOnly_WithinAProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		p := newProgram(t, memory.NewBroker(), "a")
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for ctx.Err() == nil {
					_ = p.keeper.Only(ctx, "x", func(ctx context.Context, epoch uint64) error {
						j.enter("a", epoch)
						defer j.leave()
						time.Sleep(time.Second)
						return nil
					})
				}
			})
		}
		time.Sleep(20 * time.Second)
		cancel()
		all.Wait()
		p.keeper.Close(t.Context())
		require.Empty(t, j.faults)
		require.GreaterOrEqual(t, len(j.holds()), 20, "passed on at once")
	})
}

// TestOnly_LosesWhatAnOperatorTakes: the function ends when its record is removed, and the name is
// taken again.
func TestOnly_LosesWhatAnOperatorTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		b := memory.NewBroker()
		p := newProgram(t, b, "a")
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { _ = p.keeper.Only(ctx, "x", j.hold("a")) })
		synctest.Wait()
		store, err := b.Store(t.Context(), "fleet")
		require.NoError(t, err)
		require.NoError(t, store.Clear(t.Context(), "only"))
		time.Sleep(time.Second)
		require.Len(t, j.holds(), 2)
		b.Wipe()
		time.Sleep(5 * time.Second)
		require.GreaterOrEqual(t, len(j.holds()), 3, "a store that was made again")
		require.NotEmpty(t, j.holder())
		cancel()
		all.Wait()
		p.keeper.Close(t.Context())
	})
}

// TestOnly_TakesWhatIsVoid at once: a record whose lease is gone, or that can't be read, is free.
func TestOnly_TakesWhatIsVoid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.NewBroker()
		store, err := b.Store(t.Context(), "fleet")
		require.NoError(t, err)
		p := newProgram(t, b, "a")
		defer p.keeper.Close(t.Context())
		begun := time.Now()
		for _, record := range []string{`{"node":"old","lease":"gone","turn":"1"}`, `{}`, `[`, ``} {
			_, err = store.Put(t.Context(), "only.x", []byte(record), queue.Always, 0)
			require.NoError(t, err)
			require.NoError(t, p.keeper.Only(t.Context(), "x", func(context.Context, uint64) error { return nil }))
		}
		require.Zero(t, time.Since(begun))
	})
}

// TestOnly_SurvivesALostAnswer: a name whose record was written, though the answer was lost, is
// taken again soon, also while the program holds something else.
func TestOnly_SurvivesALostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.NewBroker()
		p := newProgram(t, b, "a")
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		var x, y journal
		all.Go(func() { _ = p.keeper.Only(ctx, "y", y.hold("a")) })
		synctest.Wait()
		p.line.LoseAnswers(1)
		all.Go(func() { _ = p.keeper.Only(ctx, "x", x.hold("a")) })
		time.Sleep(300 * time.Millisecond)
		require.Equal(t, "a", x.holder())
		require.Len(t, y.holds(), 1, "and nothing else is lost")
		cancel()
		all.Wait()
		p.keeper.Close(t.Context())
	})
}

// TestOnly_TakesSeveralAtOnce under one lease.
func TestOnly_TakesSeveralAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.NewBroker()
		p := newProgram(t, b, "a", func(s queue.Store) queue.Store { return &slowStore{Store: s, slow: time.Second / 10} })
		store, err := b.Store(t.Context(), "fleet")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		journals := make([]journal, 5)
		var all sync.WaitGroup
		for i := range journals {
			all.Go(func() { _ = p.keeper.Only(ctx, fmt.Sprint(i), journals[i].hold("a")) })
		}
		time.Sleep(time.Second)
		for i := range journals {
			require.Equal(t, "a", journals[i].holder())
		}
		n, err := store.Count(t.Context(), "lease")
		require.NoError(t, err)
		require.Equal(t, 1, n)
		cancel()
		all.Wait()
		p.keeper.Close(t.Context())
	})
}

// TestOnly_CountsFromBeforeTheWrite: the time that the answer takes is not the holder's.
func TestOnly_CountsFromBeforeTheWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.NewBroker()
		p := newProgram(t, b, "a", func(s queue.Store) queue.Store { return &slowStore{Store: s, slow: time.Second / 2} })
		began := time.Now()
		ended := began
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			_ = p.keeper.Only(ctx, "x", func(ctx context.Context, _ uint64) error {
				p.line.Cut()
				<-ctx.Done()
				ended = time.Now()
				return nil
			})
		})
		time.Sleep(5 * time.Second)
		cancel()
		all.Wait()
		p.keeper.Close(t.Context())
		require.Equal(t, 1200*time.Millisecond, ended.Sub(began), "a fifth before 1.5 s after the first write")
	})
}

// TestOnly_NoticesThatItsLeaseWasEnded at the next renewal.
func TestOnly_NoticesThatItsLeaseWasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.NewBroker()
		p := newProgram(t, b, "a")
		store, err := b.Store(t.Context(), "fleet")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var j journal
		var all sync.WaitGroup
		all.Go(func() { _ = p.keeper.Only(ctx, "x", j.hold("a")) })
		synctest.Wait()
		require.NoError(t, store.Clear(t.Context(), "lease"))
		time.Sleep(500 * time.Millisecond)
		require.Len(t, j.holds(), 2)
		require.Empty(t, j.faults)
		cancel()
		all.Wait()
		p.keeper.Close(t.Context())
	})
}

// TestOnly_GivesBackAcrossAnOutage: a name that is given back while the broker is away does not
// stay held by a lease that goes on.
func TestOnly_GivesBackAcrossAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.NewBroker()
		p, other := newProgram(t, b, "a"), newProgram(t, b, "b")
		ctx, cancel := context.WithCancel(t.Context())
		stopX, endX := context.WithCancel(ctx)
		var x, y journal
		var all sync.WaitGroup
		all.Go(func() { _ = p.keeper.Only(stopX, "x", x.hold("a")) })
		all.Go(func() { _ = p.keeper.Only(ctx, "y", y.hold("a")) })
		synctest.Wait()
		all.Go(func() { _ = other.keeper.Only(ctx, "x", x.hold("b")) })
		p.line.Cut()
		endX()
		time.Sleep(500 * time.Millisecond)
		p.line.Restore()
		time.Sleep(200 * time.Millisecond)
		require.Equal(t, "b", x.holder())
		require.Len(t, y.holds(), 1, "the lease has survived the outage")
		cancel()
		all.Wait()
		p.keeper.Close(t.Context())
		other.keeper.Close(t.Context())
	})
}

// TestClose_WaitsForWhatIsHeld, while its lease goes on: others take nothing that still runs. When
// it has waited long enough, the lease ends.
func TestClose_WaitsForWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		b := memory.NewBroker()
		a, other := newProgram(t, b, "a"), newProgram(t, b, "b")
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			err := a.keeper.Only(ctx, "x", func(ctx context.Context, epoch uint64) error {
				j.enter("a", epoch)
				defer j.leave()
				<-ctx.Done()
				time.Sleep(10 * time.Second) // slow to end
				return nil
			})
			require.ErrorIs(t, err, lease.ErrClosed)
		})
		synctest.Wait()
		all.Go(func() { _ = other.keeper.Only(ctx, "x", j.hold("b")) })
		synctest.Wait()
		closing := time.Now()
		a.keeper.Close(t.Context())
		require.Equal(t, 10*time.Second, time.Since(closing))
		synctest.Wait()
		require.Equal(t, "b", j.holder())
		cancel()
		all.Wait()
		other.keeper.Close(t.Context())
		require.Empty(t, j.faults)
	})
}

// TestOnly_NeverTwice over a bad network, random cuts, and comings and goings: no two programs hold
// a name at once, epochs grow, and a program holds it for some of the time, and in the end.
func TestOnly_NeverTwice(t *testing.T) {
	for seed := range rig.Seeds(20, 4) {
		synctest.Test(t, func(t *testing.T) { neverTwice(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func neverTwice(t *testing.T, r *rand.Rand) {
	t.Helper()
	b := memory.NewBroker()
	journals := map[string]*journal{"x": {}, "y": {}}
	programs := make([]*program, 5)
	var all, late sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for i := range programs {
		p := newProgram(t, b, fmt.Sprint(i), func(s queue.Store) queue.Store {
			return &badStore{Store: s, r: rand.New(rand.NewPCG(r.Uint64(), 3)), late: &late}
		})
		programs[i] = p
		for name, j := range journals {
			lasts := rand.New(rand.NewPCG(r.Uint64(), 2))
			all.Go(func() {
				for ctx.Err() == nil {
					turn, end := context.WithTimeout(ctx, time.Duration(lasts.IntN(20_000))*time.Millisecond)
					_ = p.keeper.Only(turn, name, j.hold(fmt.Sprint(i)))
					end()
				}
			})
		}
	}
	const looks = 600
	free := 0
	storm(r, programs, looks, func() {
		if journals["x"].holder() == "" {
			free++
		}
	})
	n := len(journals["x"].holds())
	time.Sleep(time.Minute)
	require.Greater(t, len(journals["x"].holds()), n, "held again in the end")
	cancel()
	all.Wait()
	for _, p := range programs {
		p.keeper.Close(t.Context())
	}
	late.Wait()
	for name, j := range journals {
		require.Empty(t, j.faults, name)
	}
	require.Less(t, free, looks*9/10, "held for some of the time")
}
