package fleetrig

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue/memory"
)

// Fixture is a broker under test.
type Fixture struct {
	// Connect returns a connection of its own, as another process has it.
	Connect func() fleet.Broker

	// ConnectLine returns one that can be cut.
	ConnectLine func() Line

	// Kill kills the broker's server without a warning, and starts it again.
	Kill func()

	// Kills is how often that happens while commands are given; zero is three times.
	Kills int
}

// Line is a connection that can be cut.
type Line struct {
	Broker  fleet.Broker
	Cut     func()
	Restore func()
}

// patience is for a machine that does other things, too.
const patience = 30 * time.Second

var ana = gentask.Author{By: "ana", Reason: "a test"}

// Promises runs all tests, each on a fixture of its own.
func Promises(t *testing.T, start func(t testing.TB) Fixture) {
	t.Helper()
	for name, test := range map[string]func(*rig){
		"ReachesAll": (*rig).reachesAll, "CutOff": (*rig).cutOff, "NoCommandIsLost": (*rig).noCommandIsLost,
		"OneAtATime": (*rig).oneAtATime, "LimitsHold": (*rig).limitsHold, "Questions": (*rig).questions,
	} {
		t.Run(name, func(t *testing.T) {
			r := &rig{T: t, Fixture: start(t), queue: memory.New(memory.Config{})}
			t.Cleanup(r.queue.Close)
			t.Cleanup(r.close)
			test(r)
		})
	}
}

// rig is a fleet on a broker.
type rig struct {
	*testing.T
	Fixture
	queue *memory.Queue
	nodes []*node
}

type node struct {
	*fleet.Node
	Line
	consumer *gentask.Consumer
}

func (r *rig) close() {
	for _, n := range r.nodes {
		require.NoError(r, n.Close())
		_, err := n.consumer.Stop(context.Background())
		require.NoError(r, err)
	}
}

// fleet joins n nodes. Every fourth runs its consumer.
func (r *rig) fleet(n int) {
	r.Helper()
	b := gentask.Handle(func(context.Context, []byte) error { return nil })
	for i := range n {
		c, err := gentask.New(Named{r.queue, QueueOf(i)}, b, gentask.Config{
			Prefetch: 10, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(r, err)
		line := r.ConnectLine()
		joined, err := fleet.Join(r.within(), line.Broker, fleet.Config{
			Node: fmt.Sprint("node", i), Logger: slog.New(slog.DiscardHandler),
		}, c)
		require.NoError(r, err)
		r.nodes = append(r.nodes, &node{joined, line, c})
		if i%4 == 0 {
			require.NoError(r, c.Start())
		}
	}
}

func (r *rig) observer(id string) *fleet.Node {
	r.Helper()
	n, err := fleet.Join(r.within(), r.Connect(), fleet.Config{Node: id})
	require.NoError(r, err)
	r.Cleanup(func() { require.NoError(r, n.Close()) })
	return n
}

func (r *rig) within() context.Context {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	r.Cleanup(cancel)
	return ctx
}

// until waits for cond, and returns how long that took.
func (r *rig) until(what string, cond func() bool) time.Duration {
	r.Helper()
	begun := time.Now()
	for !cond() {
		if time.Since(begun) > patience {
			r.Fatalf("%s: not within %v", what, patience)
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(begun)
}

func quantiles(all []time.Duration) string {
	slices.Sort(all)
	at := func(p float64) time.Duration { return all[int(p*float64(len(all)-1))].Round(time.Millisecond / 10) }
	return fmt.Sprintf("%d: p50 %v, p90 %v, p99 %v, most %v", len(all), at(0.5), at(0.9), at(0.99), at(1))
}

// reachesAll: each command reaches twenty nodes, and each of them reports it.
func (r *rig) reachesAll() {
	r.fleet(20)
	tool := r.observer("tool")
	var reached []time.Duration
	for i := range 30 {
		begun := time.Now()
		for q := range 2 {
			_, err := tool.SetConcurrency(r.within(), QueueOf(q), i%10+1, ana)
			require.NoError(r, err)
		}
		r.until("all follow", func() bool {
			return r.all(func(o *gentask.Overrides) bool { return o.Concurrency.Value == i%10+1 })
		})
		reached = append(reached, time.Since(begun))
	}
	r.Log("from the first of two calls to the last of 20 nodes:", quantiles(reached))
	command, err := tool.Pause(r.within(), QueueOf(0), ana)
	require.NoError(r, err)
	r.until("all acks", func() bool {
		acks, err := command.Report(r.within())
		return err == nil && len(acks) == 10 && !slices.ContainsFunc(acks, func(a fleet.Ack) bool { return a.Pending })
	})
	var looked []time.Duration
	r.until("all are seen", func() bool {
		begun := time.Now()
		nodes, err := tool.Nodes(r.within())
		if err == nil && len(nodes) == 20 {
			looked = append(looked, time.Since(begun))
		}
		return len(looked) == 10
	})
	r.Log("all nodes, with the wait of 200 ms:", quantiles(looked))
}

func (r *rig) all(shows func(o *gentask.Overrides) bool) bool {
	for _, n := range r.nodes {
		if o := n.consumer.Health().Overrides; !shows(&o) {
			return false
		}
	}
	return true
}

// cutOff: a node that was cut off has the command soon after it is back.
func (r *rig) cutOff() {
	r.fleet(1)
	tool, n := r.observer("tool"), r.nodes[0]
	var back []time.Duration
	for i := range 12 {
		n.Cut()
		_, err := tool.SetConcurrency(r.within(), QueueOf(0), i%10+1, ana)
		require.NoError(r, err)
		time.Sleep(time.Duration(i%4) * 300 * time.Millisecond)
		require.NotEqual(r, i%10+1, n.consumer.Health().Overrides.Concurrency.Value)
		n.Restore()
		back = append(back, r.until("it is back", func() bool {
			return n.consumer.Health().Overrides.Concurrency.Value == i%10+1
		}))
	}
	r.Log("from the end of the cut to the command:", quantiles(back))
}

// noCommandIsLost: three operators give a thousand commands in conflict, while nodes are cut off,
// and the server is killed. In the end every node follows the last command for each
// thing.
func (r *rig) noCommandIsLost() {
	const operators, commands = 3, 1000
	kills := r.Kills
	if kills == 0 {
		kills = 3
	}
	r.fleet(20)
	ops := make([]*Operator, operators)
	var wg sync.WaitGroup
	for i := range ops {
		rng := rand.New(rand.NewPCG(1, uint64(i))) //nolint:gosec // for a test
		ops[i] = &Operator{Node: r.observer(fmt.Sprint("operator", i)), Rand: rng}
		wg.Go(func() { ops[i].Run(commands/operators+1, 5*time.Millisecond) })
	}
	over := make(chan struct{})
	go func() { wg.Wait(); close(over) }()
	r.trouble(over, kills)
	var all []Given
	for _, o := range ops {
		all = append(all, o.Given...)
	}
	last := Newest(r, all)
	defer func() {
		for _, n := range r.nodes {
			if missing := Lost(last, n.consumer); len(missing) > 0 {
				r.Logf("%s: %d of %d are not followed: %s", n.ID(), len(missing), len(last), missing[0])
			}
		}
	}()
	took := r.until("all follow all", func() bool {
		return !slices.ContainsFunc(r.nodes, func(n *node) bool { return len(Lost(last, n.consumer)) > 0 })
	})
	r.Logf("%d commands, %d kills: all followed %v after the end", len(all), kills, took)
}

// trouble cuts nodes off and kills the server, until it is over.
func (r *rig) trouble(over chan struct{}, kills int) {
	rng := rand.New(rand.NewPCG(2, 0)) //nolint:gosec // for a test
	upTo := func(d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }
	for goes := true; goes || kills > 0; {
		n := r.nodes[rng.IntN(len(r.nodes))]
		n.Cut()
		time.Sleep(upTo(400 * time.Millisecond))
		if kills > 0 && rng.Float64() < 0.4 {
			r.Kill()
			kills--
		}
		n.Restore()
		time.Sleep(upTo(200 * time.Millisecond))
		select {
		case <-over:
			goes = false
		default:
		}
	}
}
