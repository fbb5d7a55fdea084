package fleet_test

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
	"github.com/gentask/gentask/internal/chaos"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/queue/nats"
)

// patience is for a machine that does other things, too.
const patience = 30 * time.Second

// server is a NATS server in a process of its own, and a fleet on it. Each node has a proxy.
type server struct {
	*testing.T
	js    *chaos.JetStream
	queue *memory.Queue
	nodes []*served
}

type served struct {
	*member
	proxy *chaos.Proxy
}

func newServer(t *testing.T) *server {
	t.Helper()
	js, err := chaos.StartJetStream(1)
	require.NoError(t, err)
	s := &server{T: t, js: js, queue: memory.New(memory.Config{Name: "emails"})}
	t.Cleanup(func() {
		for _, n := range s.nodes {
			require.NoError(t, n.Close())
			_, err := n.consumer.Stop(context.Background())
			require.NoError(t, err)
		}
		require.NoError(t, js.Close())
		s.queue.Close()
	})
	return s
}

// broker returns a connection of its own, through a proxy or directly.
func (s *server) broker(proxied bool) (*nats.Broker, *chaos.Proxy) {
	s.Helper()
	url, proxy := s.js.URL(0), (*chaos.Proxy)(nil)
	if proxied {
		var err error
		proxy, err = chaos.NewProxy(url)
		require.NoError(s, err)
		s.Cleanup(proxy.Close)
		url = proxy.URL()
	}
	b, err := nats.New(url, nats.Config{})
	require.NoError(s, err)
	s.Cleanup(func() { require.NoError(s, b.Close()) })
	return b, proxy
}

// fleet joins n nodes, whose consumers are those of queues.
func (s *server) fleet(n int, queues func(i int) string) {
	s.Helper()
	for i := range n {
		b, proxy := s.broker(true)
		c, err := gentask.New(named{s.queue, queues(i)}, sleeping(0), gentask.Config{Prefetch: 10})
		require.NoError(s, err)
		m := &member{consumer: c, log: &logbook{}}
		m.Node, err = fleet.Join(s.within(), b, fleet.Config{Node: fmt.Sprint("node", i), Logger: slog.New(m.log)}, c)
		require.NoError(s, err)
		s.nodes = append(s.nodes, &served{member: m, proxy: proxy})
		if i%4 == 0 {
			require.NoError(s, c.Start())
		}
	}
}

func (s *server) observer(id string) *fleet.Node {
	s.Helper()
	b, _ := s.broker(false)
	n, err := fleet.Join(s.within(), b, fleet.Config{Node: id})
	require.NoError(s, err)
	s.Cleanup(func() { _ = n.Close() })
	return n
}

func (s *server) within() context.Context {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	s.Cleanup(cancel)
	return ctx
}

// until waits for cond, and returns how long that took.
func (s *server) until(what string, cond func() bool) time.Duration {
	s.Helper()
	begun := time.Now()
	for !cond() {
		if time.Since(begun) > patience {
			s.Fatalf("%s: not within %v", what, patience)
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(begun)
}

func quantiles(all []time.Duration) string {
	slices.Sort(all)
	at := func(p float64) time.Duration { return all[int(p*float64(len(all)-1))] }
	return fmt.Sprintf("%d: p50 %v, p90 %v, p99 %v, most %v", len(all), at(0.5), at(0.9), at(0.99), at(1))
}

// TestNATS_ReachesAll: each command reaches twenty nodes, and each of them says so.
func TestNATS_ReachesAll(t *testing.T) {
	s := newServer(t)
	s.fleet(20, func(int) string { return "emails" })
	tool := s.observer("tool")
	var reached []time.Duration
	for i := range 100 {
		begun := time.Now()
		_, err := tool.SetConcurrency(s.within(), "emails", i%10+1, ana)
		require.NoError(t, err)
		s.until("all follow", func() bool {
			return !slices.ContainsFunc(s.nodes, func(n *served) bool {
				return n.consumer.Health().Overrides.Concurrency.Value != i%10+1
			})
		})
		reached = append(reached, time.Since(begun))
	}
	t.Log("from the call to the last of 20 nodes:", quantiles(reached))
	command, err := tool.Pause(s.within(), "emails", ana)
	require.NoError(t, err)
	s.until("all acks", func() bool {
		acks, err := command.Report(s.within())
		return err == nil && len(acks) == 20 && !slices.ContainsFunc(acks, func(a fleet.Ack) bool { return a.Pending })
	})
	var looked []time.Duration
	for range 10 {
		begun := time.Now()
		nodes, err := tool.Nodes(s.within())
		require.NoError(t, err)
		if len(nodes) == 20 {
			looked = append(looked, time.Since(begun))
		}
	}
	require.NotEmpty(t, looked)
	t.Log("all nodes, with the wait of 200 ms:", quantiles(looked))
}

// TestNATS_CutOff: a node that was cut off, or whose network was frozen, has the command soon after
// it is back.
func TestNATS_CutOff(t *testing.T) {
	s := newServer(t)
	s.fleet(1, func(int) string { return "emails" })
	tool, n := s.observer("tool"), s.nodes[0]
	var back []time.Duration
	for i := range 12 {
		n.proxy.Refuse()
		_, err := tool.SetConcurrency(s.within(), "emails", i%10+1, ana)
		require.NoError(t, err)
		time.Sleep(time.Duration(i%4) * 300 * time.Millisecond)
		require.NotEqual(t, i%10+1, n.consumer.Health().Overrides.Concurrency.Value)
		require.NoError(t, n.proxy.Accept())
		back = append(back, s.until("it is back", func() bool {
			return n.consumer.Health().Overrides.Concurrency.Value == i%10+1
		}))
	}
	t.Log("from the end of the cut to the command:", quantiles(back))
}

// TestNATS_NoCommandIsLost: three operators give a thousand commands in conflict, while nodes are
// cut off, and the server is killed three times. In the end every node follows the last command for
// each thing.
func TestNATS_NoCommandIsLost(t *testing.T) {
	const operators, commands, kills = 3, 1000, 3
	s := newServer(t)
	queues := func(i int) string { return fmt.Sprint("q", i%2) }
	s.fleet(20, queues)
	ops := make([]*operator, operators)
	var wg sync.WaitGroup
	for i := range ops {
		ops[i] = &operator{node: s.observer(fmt.Sprint("operator", i)), rng: rand.New(rand.NewPCG(1, uint64(i)))} //nolint:gosec // for a test
		wg.Go(func() {
			for range commands/operators + 1 {
				ops[i].given = append(ops[i].given, ops[i].command(context.Background()))
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	over := make(chan struct{})
	go func() { wg.Wait(); close(over) }()
	d := newDice(1)
	for killed := 0; !closed(over) || killed < kills; {
		n := s.nodes[d.below(len(s.nodes))]
		n.proxy.Refuse()
		d.wait(400 * time.Millisecond)
		if d.chance(0.4) && killed < kills {
			s.js.Kill(0)
			killed++
			d.wait(500 * time.Millisecond)
			require.NoError(t, s.js.Start(0))
		}
		require.NoError(t, n.proxy.Accept())
		d.wait(200 * time.Millisecond)
	}
	var all []given
	for _, o := range ops {
		all = append(all, o.given...)
	}
	last, members := newest(t, all), []*member{}
	for _, n := range s.nodes {
		members = append(members, n.member)
	}
	took := s.until("all follow all", func() bool { n, _ := lost(last, members, queues); return n == 0 })
	t.Logf("%d commands, %d kills: all followed %v after the end", len(all), kills, took)
}
