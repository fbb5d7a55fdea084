package admission

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/internal/breaker"
)

var errDown = errors.New("down")

// newMachine returns a breaker that opens when half of three runs or more have failed.
func newMachine() *breaker.Machine {
	return breaker.New(breaker.Settings{
		FailureRate: 0.5, MinRuns: 3, Window: 10 * time.Second,
		Wait: func(n int) time.Duration { return time.Duration(n) * 5 * time.Second },
	})
}

func newKeyBreaker() *KeyBreaker {
	return NewKeyBreaker(newMachine, func() time.Duration { return time.Second })
}

func keyed(key string) *Item { return &Item{Keys: &Keys{Breaker: key}} }

// run starts an item at a gate and ends it.
func run(g Gate, it *Item, s breaker.Result, now time.Time) {
	g.Started(it, now)
	g.Ended(it, Result{Signal: s, Reason: errDown}, now)
}

// TestBreaker: a breaker reports its changes, and probes only when the caller is
// ready.
func TestBreaker(t *testing.T) {
	g, now := NewBreaker(newMachine()), begin
	for range 3 {
		require.Equal(t, Admit, g.Pass(&Item{}, now).Kind)
		run(g, &Item{}, breaker.Bad, now)
	}
	probe := now.Add(5 * time.Second)
	require.Equal(t, []Change{{State: breaker.Open, Probe: probe, Cause: errDown}}, g.Changes())
	require.Equal(t, Answer{Kind: Block, Until: probe}, g.Pass(&Item{}, now))
	require.Equal(t, probe, g.Probe(now, true))
	require.Zero(t, g.Probe(probe, false))
	require.Equal(t, breaker.Open, g.State())
	require.Zero(t, g.Probe(probe, true))
	require.Equal(t, []Change{{State: breaker.Probing, Cause: errDown}}, g.Changes())

	one := &Item{}
	require.Equal(t, Admit, g.Pass(one, probe).Kind)
	g.Started(one, probe)
	require.Equal(t, Block, g.Pass(&Item{}, probe).Kind, "one probes")
	g.Ended(one, Result{Signal: breaker.Good}, probe)
	changes := g.Changes()
	require.Len(t, changes, 1)
	require.Equal(t, breaker.Closed, changes[0].State)
	require.NoError(t, g.Cause)
	require.Empty(t, g.Changes())
}

// TestBreaker_Reset: after a reset, items of the earlier queue don't tell anything, and another
// probe may start.
func TestBreaker_Reset(t *testing.T) {
	g, now := NewBreaker(newMachine()), begin
	for range 3 {
		run(g, &Item{}, breaker.Bad, now)
	}
	now = g.NextProbe()
	require.Equal(t, Admit, g.Pass(&Item{}, now).Kind)
	g.Started(&Item{}, now)
	require.Equal(t, Block, g.Pass(&Item{}, now).Kind)
	g.Reset()
	require.Equal(t, Admit, g.Pass(&Item{}, now).Kind)
}

// TestKeyBreaker_Model: each key has a breaker of its own, and forgetting idle ones changes
// nothing: the state of each is that of a machine that is never forgotten.
func TestKeyBreaker_Model(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, now := newKeyBreaker(), begin
		plain := map[string]*breaker.Machine{}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "s")) * time.Second) // windows slide by one
			key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
			m := plain[key]
			if m == nil {
				m = newMachine()
				plain[key] = m
			}
			if rapid.IntRange(0, 3).Draw(t, "forget") == 0 {
				g.forget(now)
			}
			it := keyed(key)
			a := g.Pass(it, now)
			if !m.Admits(now) {
				require.Equal(t, GiveBack, a.Kind)
				require.GreaterOrEqual(t, a.After, m.NextProbe().Sub(now))
				require.ErrorIs(t, a.Reason, ErrBreakerOpen)
				require.ErrorIs(t, a.Reason, errDown)
				continue
			}
			require.Equal(t, Admit, a.Kind)
			r := rapid.SampledFrom([]breaker.Result{breaker.Nothing, breaker.Good, breaker.Bad, breaker.Bad}).Draw(t, "result")
			m.End(m.Begin(), now, r)
			run(g, it, r, now)
			if c := g.by[key]; c != nil {
				require.Equal(t, m.State(), c.State())
				require.Equal(t, m.NextProbe(), c.NextProbe())
			} else {
				require.True(t, m.Idle(now))
			}
			requireTold(t, g)
		}
	})
}

// requireTold checks that the breakers that are not closed are those that Down reports.
func requireTold(t *rapid.T, g *KeyBreaker) {
	n := 0
	for key, c := range g.by {
		if c.State() != breaker.Closed {
			require.Same(t, c, g.down[key])
			n++
		}
	}
	require.Equal(t, n, g.Down())
}

// TestKeyBreaker_KeepsOrder: an item that has an order to keep is held while it may be, and not
// given back.
func TestKeyBreaker_KeepsOrder(t *testing.T) {
	g, now := newKeyBreaker(), begin
	for range 3 {
		run(g, keyed("down"), breaker.Bad, now)
	}
	ordered := &Item{Keys: &Keys{Breaker: "down", Order: "o", HoldUntil: now.Add(2 * time.Second)}}
	require.Equal(t, Answer{Kind: Skip, Until: now.Add(2 * time.Second)}, g.Pass(ordered, now))
	require.Equal(t, GiveBack, g.Pass(ordered, now.Add(2*time.Second)).Kind)
	ordered.Keys.HoldUntil = time.Time{}
	require.Equal(t, Answer{Kind: Skip, Until: now.Add(5 * time.Second)}, g.Pass(ordered, now))
}

// TestKeyBreaker_TheFirstIsBackForTheProbe, and the others come after it.
func TestKeyBreaker_TheFirstIsBackForTheProbe(t *testing.T) {
	g, now := newKeyBreaker(), begin
	for range 3 {
		run(g, keyed("down"), breaker.Bad, now)
	}
	require.Equal(t, 5*time.Second, g.Pass(keyed("down"), now).After)
	require.Equal(t, 6*time.Second, g.Pass(keyed("down"), now).After)
	probe := now.Add(5 * time.Second)
	probing := keyed("down")
	require.Equal(t, Admit, g.Pass(probing, probe).Kind)
	g.Started(probing, probe)
	require.Equal(t, SoonestAgain+time.Second, g.Pass(keyed("down"), probe).After)
	require.Equal(t, 1, g.Down())
	g.Ended(probing, Result{Signal: breaker.Bad, Reason: errDown}, probe)
	require.Equal(t, 10*time.Second, g.Pass(keyed("down"), probe).After, "the first after another opening")
	require.Equal(t, 11*time.Second, g.Pass(keyed("down"), probe).After)
}

// TestKeyBreaker_Memory: a breaker that is idle is forgotten, and so is an open one when nothing of
// its key comes for an hour. Never more than 50,000 are remembered.
func TestKeyBreaker_Memory(t *testing.T) {
	g, now := newKeyBreaker(), begin
	for i := range 1000 {
		run(g, keyed(strconv.Itoa(i)), breaker.Good, now)
	}
	for range 3 {
		run(g, keyed("down"), breaker.Bad, now)
	}
	run(g, keyed("nothing"), breaker.Nothing, now)
	require.Len(t, g.by, 1001)
	g.Changes()
	g.forget(now.Add(12 * time.Second))
	require.Len(t, g.by, 1)
	require.Empty(t, g.Changes())
	last := g.by["down"].NextProbe().Add(forgettable)
	g.forget(last)
	require.Len(t, g.by, 1)
	g.forget(last.Add(1))
	require.Empty(t, g.by)
	require.Equal(t, []Change{{Key: "down", State: breaker.Closed}}, g.Changes())
	for i := range mostKeys + 1000 {
		run(g, keyed(strconv.Itoa(i)), breaker.Good, now)
		require.LessOrEqual(t, len(g.by), mostKeys)
	}
}

func TestKeyBreaker_FirstDown(t *testing.T) {
	g, now := newKeyBreaker(), begin
	for i := range 300 {
		for range 3 {
			run(g, keyed(strconv.Itoa(100+i)), breaker.Bad, now)
		}
	}
	var keys []string
	g.FirstDown(3, func(key string, c *Circuit) {
		require.Equal(t, breaker.Open, c.State())
		keys = append(keys, key)
	})
	require.Equal(t, []string{"100", "101", "102"}, keys)
	require.Equal(t, 300, g.Down())
}

// TestBreaker_Cause: the cause is that of the run that opened it. Runs that fail before or after
// that are not, and a breaker that was not opened has none.
func TestBreaker_Cause(t *testing.T) {
	other, now := errors.New("other"), begin
	for name, g := range map[string]interface {
		Gate
		circuit() *Circuit
	}{"breaker": circuitOf{NewBreaker(newMachine())}, "of a key": circuitOfKey{newKeyBreaker()}} {
		run(g, keyed("a"), breaker.Good, now)
		late := keyed("a")
		g.Started(late, now)
		run(g, keyed("a"), breaker.Bad, now)
		require.NoError(t, g.circuit().Cause, name)
		run(g, keyed("a"), breaker.Bad, now)
		require.Equal(t, breaker.Open, g.circuit().State(), name)
		g.Ended(late, Result{Signal: breaker.Bad, Reason: other}, now)
		require.Equal(t, errDown, g.circuit().Cause, name)
	}
}

type circuitOf struct{ *Breaker }

func (g circuitOf) circuit() *Circuit { return &g.Circuit }

type circuitOfKey struct{ *KeyBreaker }

func (g circuitOfKey) circuit() *Circuit { return g.by["a"] }

// TestBreaker_Tickets: nothing is left of an item that has ended, nor after a reset.
func TestBreaker_Tickets(t *testing.T) {
	g, k, now := NewBreaker(newMachine()), newKeyBreaker(), begin
	for _, gate := range []Gate{g, k} {
		run(gate, keyed("a"), breaker.Good, now)
		run(gate, keyed("a"), breaker.Good, now)
	}
	require.Empty(t, g.tickets)
	require.Empty(t, k.tickets)
	for _, gate := range []Gate{g, k} {
		gate.Started(keyed("a"), now)
	}
	require.Len(t, g.tickets, 1)
	require.Len(t, k.tickets, 1)
	g.Reset()
	k.Reset()
	require.Empty(t, g.tickets)
	require.Empty(t, k.tickets)
}

// TestBreaker_PassIsTold: a breaker that probes because an item comes tells of it.
func TestBreaker_PassIsTold(t *testing.T) {
	g, k, now := NewBreaker(newMachine()), newKeyBreaker(), begin
	for range 3 {
		run(g, &Item{}, breaker.Bad, now)
		run(k, keyed("a"), breaker.Bad, now)
	}
	g.Changes()
	k.Changes()
	probe := g.NextProbe()
	require.Equal(t, Admit, g.Pass(&Item{}, probe).Kind)
	require.Equal(t, []Change{{State: breaker.Probing, Cause: errDown}}, g.Changes())
	require.Equal(t, Admit, k.Pass(keyed("a"), probe).Kind)
	require.Equal(t, []Change{{Key: "a", State: breaker.Probing, Cause: errDown}}, k.Changes())
}

// TestKeyBreaker_Reset: after a reset, another probe may start.
func TestKeyBreaker_Reset(t *testing.T) {
	g, now := newKeyBreaker(), begin
	for range 3 {
		run(g, keyed("a"), breaker.Bad, now)
	}
	now = g.by["a"].NextProbe()
	require.Equal(t, Admit, g.Pass(keyed("a"), now).Kind)
	g.Started(keyed("a"), now)
	require.Equal(t, GiveBack, g.Pass(keyed("a"), now).Kind)
	g.Reset()
	require.Equal(t, Admit, g.Pass(keyed("a"), now).Kind)
}

// TestKeyBreaker_NoKey: items without a key have no breaker.
func TestKeyBreaker_NoKey(t *testing.T) {
	g, now := newKeyBreaker(), begin
	for range 3 {
		run(g, &Item{}, breaker.Bad, now)
	}
	require.Empty(t, g.by)
	require.Equal(t, Admit, g.Pass(&Item{}, now).Kind)
}

// TestKeyBreaker_Forgotten: runs that began before their breaker was forgotten count for the next
// one, as its first.
func TestKeyBreaker_Forgotten(t *testing.T) {
	g, now := newKeyBreaker(), begin
	for range 3 {
		run(g, keyed("a"), breaker.Bad, now)
	}
	now = g.by["a"].NextProbe()
	require.Equal(t, Admit, g.Pass(keyed("a"), now).Kind)
	run(g, keyed("a"), breaker.Good, now)
	require.Equal(t, breaker.Closed, g.by["a"].State())
	require.NoError(t, g.by["a"].Cause)
	late := make([]*Item, 3)
	for i := range late {
		late[i] = keyed("a")
		g.Started(late[i], now)
	}
	now = now.Add(time.Minute)
	g.forget(now)
	require.Empty(t, g.by)
	for _, it := range late {
		g.Ended(it, Result{Signal: breaker.Bad, Reason: errDown}, now)
	}
	require.Equal(t, breaker.Open, g.by["a"].State())
}

// TestKeyBreaker_HoldUntil: a held item is asked again at the probe or at the end of its hold, the
// earlier of which counts; while a probe runs, only the second has a time.
func TestKeyBreaker_HoldUntil(t *testing.T) {
	g, now := newKeyBreaker(), begin
	for range 3 {
		run(g, keyed("a"), breaker.Bad, now)
	}
	probe := g.by["a"].NextProbe()
	later := probe.Add(time.Minute)
	held := &Item{Keys: &Keys{Breaker: "a", Order: "o", HoldUntil: later}}
	require.Equal(t, Answer{Kind: Skip, Until: probe}, g.Pass(held, now))
	require.Equal(t, Admit, g.Pass(keyed("a"), probe).Kind)
	g.Started(keyed("a"), probe)
	require.Equal(t, Answer{Kind: Skip, Until: later}, g.Pass(held, probe))
	require.Equal(t, SoonestAgain+time.Second, g.Pass(keyed("a"), probe).After, "it is not awaited for a probe")
}

// TestKeyBreaker_Close: all breakers close, which is told in the order of their keys, and none
// keeps a failure.
func TestKeyBreaker_Close(t *testing.T) {
	g, now := newKeyBreaker(), begin
	for _, key := range []string{"c", "a", "b"} {
		for range 3 {
			run(g, keyed(key), breaker.Bad, now)
		}
	}
	run(g, keyed("d"), breaker.Bad, now)
	require.Equal(t, 3, g.Down())
	at := keyed("e")
	g.Started(at, now)
	g.Changes()
	g.Close(now)
	require.Zero(t, g.Down())
	var keys []string
	for _, c := range g.Changes() {
		require.Equal(t, breaker.Closed, c.State)
		keys = append(keys, c.Key)
	}
	require.Equal(t, []string{"a", "b", "c"}, keys)
	for key, c := range g.by {
		require.True(t, c.Idle(now), key)
		require.Equal(t, Admit, g.Pass(keyed(key), now).Kind)
	}
	g.Close(now)
	require.Empty(t, g.Changes())
}

// TestBreaker_Close: it tells that it has closed, once.
func TestBreaker_Close(t *testing.T) {
	g, now := NewBreaker(newMachine()), begin
	for range 3 {
		run(g, &Item{}, breaker.Bad, now)
	}
	require.Equal(t, Block, g.Pass(&Item{}, now).Kind)
	g.Changes()
	g.Close(now)
	require.Len(t, g.Changes(), 1)
	require.Equal(t, Admit, g.Pass(&Item{}, now).Kind)
	g.Close(now)
	require.Empty(t, g.Changes())
}
