package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

// given is a command that was confirmed.
type given struct {
	thing string // what it is for
	value string // what a consumer must show
	*fleet.Command
}

// operator gives commands, one after the other, until the broker has confirmed each.
type operator struct {
	node  *fleet.Node
	rng   *rand.Rand
	given []given
}

func (o *operator) command(ctx context.Context) given {
	by := gentask.Author{By: o.node.ID(), Reason: fmt.Sprint(o.rng.Int())}
	q := fmt.Sprint("q", o.rng.IntN(2))
	on := o.rng.IntN(2) == 0
	var call func() (*fleet.Command, error)
	g := given{}
	switch o.rng.IntN(5) {
	case 0:
		g.thing, g.value = q+" paused", fmt.Sprint(on)
		call = func() (*fleet.Command, error) {
			if on {
				return o.node.Pause(ctx, q, by)
			}
			return o.node.Resume(ctx, q, by)
		}
	case 1:
		n := o.rng.IntN(10)
		g.thing, g.value = q+" concurrency", fmt.Sprint(n)
		call = func() (*fleet.Command, error) { return o.node.SetConcurrency(ctx, q, n, by) }
	case 2:
		r := gentask.Rate{PerSecond: float64(o.rng.IntN(100))}
		g.thing, g.value = q+" rate", fmt.Sprint(r)
		call = func() (*fleet.Command, error) { return o.node.SetRate(ctx, q, &r, by) }
	case 3:
		g.thing, g.value = q+" breaker", fmt.Sprint(on)
		call = func() (*fleet.Command, error) {
			if on {
				return o.node.OpenBreaker(ctx, q, by)
			}
			return o.node.ReleaseBreaker(ctx, q, by)
		}
	case 4:
		id := fmt.Sprint(o.rng.IntN(30))
		g.thing, g.value = q+" job "+id, fmt.Sprint(on)
		call = func() (*fleet.Command, error) {
			if on {
				return o.node.Cancel(ctx, q, id, by)
			}
			return o.node.Uncancel(ctx, q, id, by)
		}
	}
	for {
		command, err := call()
		if err == nil {
			g.Command = command
			return g
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// shows returns what a consumer shows of a thing.
func shows(o *gentask.Overrides, q, thing string) string {
	switch thing {
	case q + " paused":
		return fmt.Sprint(o.Paused.Value)
	case q + " concurrency":
		return fmt.Sprint(o.Concurrency.Value)
	case q + " rate":
		if o.Rate.Value == nil {
			return "none"
		}
		return fmt.Sprint(*o.Rate.Value)
	case q + " breaker":
		return fmt.Sprint(o.BreakerOpen.Value)
	}
	var id string
	_, _ = fmt.Sscanf(thing, q+" job %s", &id)
	_, cancelled := o.Cancelled[id]
	return fmt.Sprint(cancelled)
}

// newest returns, for each thing, the confirmed command that counts. Each command has a generation
// of its own.
func newest(t *testing.T, all []given) map[string]given {
	t.Helper()
	seen, last := map[string]bool{}, map[string]given{}
	for _, g := range all {
		name := fmt.Sprint(g.thing, " generation ", g.Generation)
		require.False(t, seen[name], name)
		seen[name] = true
		if g.Generation > last[g.thing].generation() {
			last[g.thing] = g
		}
	}
	return last
}

func (g given) generation() uint64 {
	if g.Command == nil {
		return 0
	}
	return g.Generation
}

// lost counts the commands that count and that a consumer does not follow.
func lost(last map[string]given, nodes []*member, queues func(i int) string) (n int, examples []string) {
	for i, m := range nodes {
		o := m.consumer.Health().Overrides
		for thing, g := range last {
			q := queues(i)
			if thing[:2] != q {
				continue
			}
			if got := shows(&o, q, thing); got != g.value {
				n++
				examples = append(examples, fmt.Sprintf("%s: %s is %s, want %s of generation %d", m.ID(), thing, got, g.value, g.Generation))
			}
		}
	}
	return n, examples
}

// TestChaos_NoCommandIsLost: three operators give a thousand commands to twenty nodes, at the same
// time and in conflict. Nodes are cut off now and then, writes and answers are lost, late or
// repeated, and watches begin anew. A second after the trouble every node follows the last command
// for each thing, and no confirmed command was overwritten unseen.
func TestChaos_NoCommandIsLost(t *testing.T) {
	for seed := range uint64(5) {
		bubble(t, func(w *world) { chaos(w, seed) })
	}
}

func chaos(w *world, seed uint64) {
	const nodes, operators, commands = 20, 3, 1000
	d := newDice(seed)
	queues := func(i int) string { return fmt.Sprint("q", i%2) }
	for i := range nodes {
		w.addFlaky(d, i, queues(i))
	}
	ops := make([]*operator, operators)
	var wg sync.WaitGroup
	for i := range ops {
		line := w.broker.Connect()
		node, err := fleet.Join(w.Context(), flaky{line, d}, fleet.Config{Node: fmt.Sprint("operator", i)})
		require.NoError(w, err)
		defer node.Close()
		ops[i] = &operator{node: node, rng: rand.New(rand.NewPCG(seed, uint64(i+1)))} //nolint:gosec // it has to repeat itself
		wg.Go(func() {
			for range commands/operators + 1 {
				ops[i].given = append(ops[i].given, ops[i].command(context.Background()))
			}
		})
	}
	over := make(chan struct{})
	go func() { wg.Wait(); close(over) }()
	for !closed(over) {
		m := w.nodes[d.below(nodes)]
		m.line.Cut()
		d.wait(500 * time.Millisecond)
		m.line.Restore()
		d.wait(100 * time.Millisecond)
	}
	d.settle()
	time.Sleep(time.Second)
	var all []given
	for _, o := range ops {
		all = append(all, o.given...)
	}
	n, examples := lost(newest(w.T, all), w.nodes, queues)
	require.Zero(w, n, "seed %d, %d commands: %v", seed, len(all), examples)
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// addFlaky joins a node whose network is flaky. Every fourth runs its consumer.
func (w *world) addFlaky(d *dice, i int, q string) {
	consumer, err := gentask.New(named{w.queue, q}, sleeping(0), gentask.Config{Prefetch: 10})
	require.NoError(w, err)
	m := &member{line: w.broker.Connect(), consumer: consumer, log: &logbook{}}
	m.Node, err = fleet.Join(w.Context(), flaky{m.line, d}, fleet.Config{Node: fmt.Sprint("node", i)}, consumer)
	require.NoError(w, err)
	w.nodes = append(w.nodes, m)
	if i%4 == 0 {
		require.NoError(w, consumer.Start())
	}
}

// named is a source with another name.
type named struct {
	queue.Source
	name string
}

func (n named) Name() string { return n.name }

// TestCut_IsCaughtUp: a node that was cut off has each command within a second after it is back,
// and tells when it was deaf.
func TestCut_IsCaughtUp(t *testing.T) {
	bubble(t, func(w *world) {
		m := w.fleet(1, gentask.Config{})[0]
		cli := w.observer()
		for i := range 10 {
			m.line.Cut()
			command, err := cli.SetConcurrency(w.Context(), "emails", i%2+1, ana)
			require.NoError(w, err)
			require.Empty(w, must(w, command.Report, w.Context()), "it can't be reached")
			time.Sleep(time.Duration(i) * time.Second)
			require.NotEqual(w, i%2+1, m.consumer.Health().Overrides.Concurrency.Value)
			m.line.Restore()
			time.Sleep(time.Second)
			require.Equal(w, i%2+1, m.consumer.Health().Overrides.Concurrency.Value)
			require.False(w, must(w, command.Report, w.Context())[0].Pending)
		}
		time.Sleep(10 * time.Second)
		require.Contains(w, m.log.all(), "WARN fleet: no command can come, because the broker is away; the present ones stay in force")
	})
}

// TestWipe_StartsAgain: when the store was made again, its commands are void, and the next ones are
// followed.
func TestWipe_StartsAgain(t *testing.T) {
	bubble(t, func(w *world) {
		m := w.fleet(1, gentask.Config{})[0]
		for range 3 {
			_, err := m.Pause(w.Context(), "emails", ana)
			require.NoError(w, err)
			first, err := m.ResetBreaker(w.Context(), "emails", ana)
			require.NoError(w, err)
			require.Len(w, must(w, first.Report, w.Context()), 1)
			reset := m.consumer.Health().Overrides.BreakerReset.Value
			require.True(w, m.consumer.Health().Overrides.Paused.Value)
			w.broker.Wipe()
			time.Sleep(3 * time.Second)
			require.Equal(w, gentask.Overrides{}, m.consumer.Health().Overrides)
			_, err = m.ResetBreaker(w.Context(), "emails", ana)
			require.NoError(w, err)
			time.Sleep(time.Second)
			require.Greater(w, m.consumer.Health().Overrides.BreakerReset.Value, reset)
		}
	})
}

// TestUncertain_IsFound: a command whose answer was lost is found, and given once.
func TestUncertain_IsFound(t *testing.T) {
	bubble(t, func(w *world) {
		m := w.fleet(1, gentask.Config{})[0]
		for i := range 20 {
			m.line.LoseAnswers(i % 3)
			command, err := m.ResetBreaker(w.Context(), "emails", ana)
			require.NoError(w, err)
			require.Equal(w, uint64(i+1), command.Generation)
		}
		m.line.Cut()
		_, err := m.Pause(w.Context(), "emails", ana)
		require.ErrorIs(w, err, queue.ErrUnavailable)
		require.False(w, errors.Is(err, queue.ErrUncertain))
	})
}
