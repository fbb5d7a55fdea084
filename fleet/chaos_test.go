package fleet_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/internal/rig/fleetrig"
	"github.com/gentask/gentask/queue"
)

// TestChaos_NoCommandIsLost: three operators give a thousand commands to twenty nodes, at the same
// time and in conflict. Nodes are cut off now and then, writes and answers are lost, late or
// repeated, and watches begin again. A second after the trouble every node follows the last command
// for each thing, and no confirmed command was overwritten unseen.
func TestChaos_NoCommandIsLost(t *testing.T) {
	for seed := range rig.Seeds(5, 5) {
		bubble(t, func(w *world) { trouble(w, seed) })
	}
}

func trouble(w *world, seed uint64) {
	const nodes, operators, commands = 20, 3, 1000
	d := newDice(seed)
	for i := range nodes {
		w.addFlaky(d, i, fleetrig.QueueOf(i))
	}
	ops := make([]*fleetrig.Operator, operators)
	var wg sync.WaitGroup
	for i := range ops {
		line := w.broker.Connect()
		node, err := fleet.Join(w.Context(), flaky{line, d}, fleet.Config{Node: fmt.Sprint("operator", i)})
		require.NoError(w, err)
		defer node.Close()
		ops[i] = &fleetrig.Operator{Node: node, Rand: rand.New(rand.NewPCG(seed, uint64(i+1)))} //nolint:gosec // it has to repeat itself
		wg.Go(func() { ops[i].Run(commands/operators+1, 0) })
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
	var all []fleetrig.Given
	for _, o := range ops {
		all = append(all, o.Given...)
	}
	last := fleetrig.Newest(w.T, all)
	for _, m := range w.nodes {
		require.Empty(w, fleetrig.Lost(last, m.consumer), "seed %d, %d commands, %s", seed, len(all), m.ID())
	}
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
	consumer, err := gentask.New(fleetrig.Named{Source: w.queue, Called: q}, sleeping(0), gentask.Config{Prefetch: 10})
	require.NoError(w, err)
	m := &member{line: w.broker.Connect(), consumer: consumer, log: &logbook{}}
	m.Node, err = fleet.Join(w.Context(), flaky{m.line, d}, fleet.Config{Node: fmt.Sprint("node", i)}, consumer)
	require.NoError(w, err)
	w.nodes = append(w.nodes, m)
	if i%4 == 0 {
		require.NoError(w, consumer.Start())
	}
}

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
		require.NotErrorIs(w, err, queue.ErrUncertain)
	})
}
