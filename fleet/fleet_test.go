package fleet_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

// TestPause_ReachesAll: twenty nodes stop and go on, each says so, and a node that joins meanwhile
// starts nothing.
func TestPause_ReachesAll(t *testing.T) {
	bubble(t, func(w *world) {
		nodes := w.fleet(20, gentask.Config{Concurrency: 2})
		cli := w.observer()
		command, err := cli.Pause(w.Context(), "emails", ana)
		require.NoError(w, err)
		acks, err := command.Report(w.Context())
		require.NoError(w, err)
		require.Len(w, acks, 20)
		for i, a := range acks {
			require.Equal(w, fmt.Sprintf("node%02d", i+1), a.Node)
			require.False(w, a.Pending)
			require.Equal(w, []fleet.ConsumerAck{{Name: "emails", Queue: "emails"}}, a.Consumers)
		}
		late := w.add(fleet.Config{}, sleeping(time.Second), gentask.Config{})
		w.publish("1", "2", "3")
		require.NoError(w, late.consumer.Start())
		time.Sleep(time.Minute)
		for _, m := range w.nodes {
			require.Equal(w, gentask.Paused, m.consumer.Health().State)
			require.Equal(w, ana, m.consumer.Health().Overrides.Paused.Author)
		}
		require.Equal(w, 3, w.queue.Stats().Ready)
		require.Zero(w, w.queue.Stats().Acked+w.queue.Stats().Requeued)

		command, err = nodes[7].Resume(w.Context(), "emails", gentask.Author{})
		require.NoError(w, err)
		require.Equal(w, "node08", command.By, "the author is the node by default")
		require.Equal(w, uint64(2), command.Generation)
		require.Len(w, must(w, command.Report, w.Context()), 21)
		time.Sleep(2 * time.Second)
		require.Equal(w, 3, w.queue.Stats().Acked)
	})
}

// TestCommands_EachKind: each command reaches the consumers of its queue, and no others, and is
// told with its author.
func TestCommands_EachKind(t *testing.T) {
	bubble(t, func(w *world) {
		var events []gentask.OverrideChange
		m := w.add(fleet.Config{}, sleeping(time.Hour), gentask.Config{
			Concurrency: 2, Prefetch: 10, Timeout: -1,
			OnEvent: func(ev gentask.Event) {
				if ev.Kind == gentask.EventOverridden {
					events = append(events, *ev.Override)
				}
			},
		})
		require.NoError(w, m.consumer.Start())
		cli, ctx := w.observer(), w.Context()
		follow := func(command *fleet.Command, err error) gentask.Overrides {
			w.Helper()
			require.NoError(w, err)
			acks, err := command.Report(ctx)
			require.NoError(w, err)
			require.Len(w, acks, 1)
			require.Empty(w, acks[0].Consumers[0].Error)
			return m.consumer.Health().Overrides
		}
		require.Equal(w, 7, follow(cli.SetConcurrency(ctx, "emails", 7, ana)).Concurrency.Value)
		require.Equal(w, &gentask.Rate{PerSecond: 2.5, Burst: 3},
			follow(cli.SetRate(ctx, "emails", &gentask.Rate{PerSecond: 2.5, Burst: 3}, ana)).Rate.Value)
		require.Equal(w, &gentask.Rate{}, follow(cli.SetRate(ctx, "emails", &gentask.Rate{}, ana)).Rate.Value)
		require.True(w, follow(cli.OpenBreaker(ctx, "emails", ana)).BreakerOpen.Value)
		first := follow(cli.ResetBreaker(ctx, "emails", ana))
		require.True(w, first.BreakerOpen.Value)
		require.NotEqual(w, first.BreakerReset.Value, follow(cli.ResetBreaker(ctx, "emails", ana)).BreakerReset.Value)
		require.False(w, follow(cli.ReleaseBreaker(ctx, "emails", ana)).BreakerOpen.Value)
		require.Contains(w, follow(cli.Cancel(ctx, "emails", "a.b c", ana)).Cancelled, "a.b c")
		require.Contains(w, follow(cli.Cancel(ctx, "", strings.Repeat("ü", 400), ana)).Cancelled, strings.Repeat("ü", 400))
		require.NotContains(w, follow(cli.Uncancel(ctx, "emails", "a.b c", ana)).Cancelled, "a.b c")

		inForce := must(w, cli.Commands, ctx)
		require.Len(w, inForce, 4)
		require.Equal(w, "concurrency", inForce[0].Kind)
		require.Equal(w, "7", inForce[0].Value)
		for _, other := range []string{"others", "email", "emails.x"} {
			command, err := cli.Pause(ctx, other, ana)
			require.NoError(w, err)
			require.Empty(w, must(w, command.Report, ctx))
		}
		require.False(w, m.consumer.Health().Overrides.Paused.Value)
		require.Len(w, must(w, cli.Commands, ctx), 7, "also of queues that no node has")

		require.Zero(w, follow(cli.SetConcurrency(ctx, "emails", 0, ana)).Concurrency.Value)
		require.Nil(w, follow(cli.SetRate(ctx, "emails", nil, ana)).Rate.Value)
		time.Sleep(time.Second)
		require.Len(w, events, 12)
		for _, ev := range events {
			require.Equal(w, ana, ev.Author)
		}
	})
}

// TestCancel_WhereverItIs: a job that runs on one node is cancelled there, which that node reports;
// one that waits at the broker is cancelled when it comes.
func TestCancel_WhereverItIs(t *testing.T) {
	bubble(t, func(w *world) {
		for i := range 3 {
			m := w.add(fleet.Config{Node: fmt.Sprint("n", i)}, sleeping(time.Minute), gentask.Config{Concurrency: 1, Timeout: -1})
			require.NoError(w, m.consumer.Start())
		}
		w.publish("1", "2", "3", "4")
		time.Sleep(time.Second)
		cli, ctx := w.observer(), w.Context()
		for _, id := range []string{"2", "4"} {
			command, err := cli.Cancel(ctx, "", id, ana)
			require.NoError(w, err)
			jobs := 0
			for _, a := range must(w, command.Report, ctx) {
				jobs += a.Consumers[0].Jobs
			}
			if id == "2" {
				require.Equal(w, 1, jobs)
				require.Equal(w, 1, w.queue.Stats().DeadLettered)
			}
		}
		time.Sleep(time.Second)
		require.Equal(w, 2, w.queue.Stats().DeadLettered)
		time.Sleep(2 * time.Minute)
		require.Equal(w, 2, w.queue.Stats().Acked)
	})
}

// TestCancel_IsForgotten: a cancellation is gone after Config.Keep.
func TestCancel_IsForgotten(t *testing.T) {
	bubble(t, func(w *world) {
		m := w.add(fleet.Config{Keep: 10 * time.Minute}, sleeping(0), gentask.Config{})
		_, err := m.Cancel(w.Context(), "emails", "1", ana)
		require.NoError(w, err)
		time.Sleep(9 * time.Minute)
		require.Len(w, m.consumer.Health().Overrides.Cancelled, 1)
		time.Sleep(2 * time.Minute)
		require.Empty(w, m.consumer.Health().Overrides.Cancelled)
	})
}

// TestDrain_EndsTheProcess: Run returns nil on the one node, and the next process with its name
// works.
func TestDrain_EndsTheProcess(t *testing.T) {
	bubble(t, func(w *world) {
		m := w.add(fleet.Config{Node: "a"}, sleeping(time.Second), gentask.Config{})
		other := w.add(fleet.Config{Node: "b"}, sleeping(time.Second), gentask.Config{})
		require.NoError(w, other.consumer.Start())
		over := make(chan error, 1)
		go func() { over <- m.consumer.Run(context.Background()) }()
		time.Sleep(time.Second)
		cli := w.observer()
		_, err := cli.Drain(w.Context(), "nobody", ana)
		require.ErrorIs(w, err, fleet.ErrUnknownNode)
		command, err := cli.Drain(w.Context(), "a", ana)
		require.NoError(w, err)
		require.NoError(w, <-over)
		acks := must(w, command.Report, w.Context())
		require.Len(w, acks, 1)
		require.Equal(w, "a", acks[0].Node)
		require.Equal(w, gentask.Consuming, other.consumer.Health().State)
		require.NoError(w, m.Close())
		next := w.add(fleet.Config{Node: "a"}, sleeping(time.Second), gentask.Config{})
		require.NoError(w, next.consumer.Start())
		time.Sleep(time.Minute)
		require.Equal(w, gentask.Consuming, next.consumer.Health().State)
	})
}

// TestNodes_ShowsWhatIsThere: who is there, what it runs, and what is overridden.
func TestNodes_ShowsWhatIsThere(t *testing.T) {
	bubble(t, func(w *world) {
		nodes := w.fleet(3, gentask.Config{Concurrency: 2, Policy: gentask.Policy{Rate: gentask.Rate{PerSecond: 50}}})
		cli := w.observer()
		command, err := nodes[0].SetConcurrency(w.Context(), "emails", 1, ana)
		require.NoError(w, err)
		w.publish("1", "2", "3", "4", "5")
		time.Sleep(4500 * time.Millisecond)
		w.publish("6")
		time.Sleep(500 * time.Millisecond)
		all := must(w, cli.Nodes, w.Context())
		require.Len(w, all, 3)
		total, jobs := uint64(0), []string{}
		for i, s := range all {
			require.Equal(w, nodes[i].ID(), s.Node)
			require.True(w, s.Joined)
			require.Equal(w, command.Revision, s.Revision)
			require.False(w, s.Twin)
			c := s.Consumers[0]
			require.Equal(w, "consuming", c.State)
			require.True(w, c.Healthy)
			require.Equal(w, 1, c.Concurrency)
			require.Equal(w, 2, c.Prefetch)
			require.Equal(w, &fleet.Rate{PerSecond: 50}, c.Rate)
			require.Equal(w, []fleet.OverrideStatus{{Kind: "concurrency", Value: "1", By: "ana", Reason: ana.Reason}}, c.Overrides)
			require.Equal(w, c.Total, c.Recent)
			total += c.Total.Done
			for _, j := range c.Jobs {
				jobs = append(jobs, j.ID)
				require.Equal(w, 1, j.Attempt)
				require.Equal(w, 500*time.Millisecond, j.Active)
			}
		}
		require.Equal(w, []string{"6"}, jobs)
		require.Equal(w, uint64(5), total)
		time.Sleep(20 * time.Second)
		for _, s := range must(w, cli.Nodes, w.Context()) {
			require.Zero(w, s.Consumers[0].Recent)
		}
	})
}

// TestJoin_Refuses: what can't work is an error that says what would.
func TestJoin_Refuses(t *testing.T) {
	bubble(t, func(w *world) {
		c, err := gentask.New(w.queue, sleeping(0), gentask.Config{})
		require.NoError(w, err)
		for want, join := range map[string]func() (*fleet.Node, error){
			"Config.Name": func() (*fleet.Node, error) { return fleet.Join(w.Context(), w.broker, fleet.Config{Name: "A b"}) },
			"Config.Node has 101 bytes": func() (*fleet.Node, error) {
				return fleet.Join(w.Context(), w.broker, fleet.Config{Node: strings.Repeat("x", 101)})
			},
			"the broker is nil":                      func() (*fleet.Node, error) { return fleet.Join(w.Context(), nil, fleet.Config{}) },
			"consumer 2 of 2 is nil, or comes twice": func() (*fleet.Node, error) { return fleet.Join(w.Context(), w.broker, fleet.Config{}, c, c) },
			"Config.Wait is -1ns":                    func() (*fleet.Node, error) { return fleet.Join(w.Context(), w.broker, fleet.Config{Wait: -1}) },
		} {
			_, err := join()
			require.ErrorIs(w, err, queue.ErrConfig, want)
			require.ErrorContains(w, err, want)
		}
		_, err = fleet.Join(w.Context(), fleet.Mix(w.broker, noStore{}), fleet.Config{}, c)
		require.ErrorIs(w, err, queue.ErrUnsupported)
		require.ErrorContains(w, err, "the broker has no store that will do; take that of NATS, PostgreSQL or an embedded broker, by Mix(this, another)")
	})
}

type noStore struct{}

func (noStore) Store(context.Context, string) (queue.Store, error) { return nil, queue.ErrUnsupported }

// TestJoin_TellsTwins: a second process with the same id is told, and so is the first.
func TestJoin_TellsTwins(t *testing.T) {
	bubble(t, func(w *world) {
		first := w.add(fleet.Config{Node: "a"}, sleeping(0), gentask.Config{})
		_, err := w.tryAdd(fleet.Config{Node: "a"}, sleeping(0), gentask.Config{})
		require.ErrorIs(w, err, fleet.ErrNodeTaken)
		time.Sleep(time.Second)
		require.Contains(w, strings.Join(first.log.all(), "\n"), "another process has this node's id")
		w.add(fleet.Config{Node: "a", Name: "another"}, sleeping(0), gentask.Config{})

		first.line.Cut() // a node that can't be asked
		w.add(fleet.Config{Node: "a"}, sleeping(0), gentask.Config{})
		first.line.Restore()
		all := must(w, w.observer().Nodes, w.Context())
		require.Len(w, all, 2)
		require.True(w, all[0].Twin && all[1].Twin)
	})
}

// TestJoin_FleetsAreApart: two fleets on one broker don't see each other.
func TestJoin_FleetsAreApart(t *testing.T) {
	bubble(t, func(w *world) {
		one := w.add(fleet.Config{Name: "one"}, sleeping(0), gentask.Config{})
		two := w.add(fleet.Config{Name: "two"}, sleeping(0), gentask.Config{})
		_, err := one.Pause(w.Context(), "emails", ana)
		require.NoError(w, err)
		time.Sleep(time.Minute)
		require.True(w, one.consumer.Health().Overrides.Paused.Value)
		require.False(w, two.consumer.Health().Overrides.Paused.Value)
		require.Len(w, must(w, one.Nodes, w.Context()), 1)
		require.Empty(w, must(w, two.Commands, w.Context()))
	})
}

// TestJoin_WaitsForTheState: without the store no node joins, and what it had opened is closed.
func TestJoin_WaitsForTheState(t *testing.T) {
	bubble(t, func(w *world) {
		ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
		defer cancel()
		c, err := gentask.New(w.queue, sleeping(0), gentask.Config{})
		require.NoError(w, err)
		_, err = fleet.Join(ctx, fleet.Mix(w.broker, deaf{w.broker.Connect()}), fleet.Config{}, c)
		require.ErrorIs(w, err, context.DeadlineExceeded)
	})
}

// deaf opens stores whose connection is cut once they are open.
type deaf struct{ fleet.Broker }

func (d deaf) Store(ctx context.Context, name string) (queue.Store, error) {
	s, err := d.Broker.Store(ctx, name)
	return cutAfterFacts{s, d}, err
}

type cutAfterFacts struct {
	queue.Store
	d deaf
}

func (s cutAfterFacts) Facts(ctx context.Context) (queue.StoreFacts, error) {
	facts, err := s.Store.Facts(ctx)
	s.d.Broker.(interface{ Cut() }).Cut()
	return facts, err
}

// TestJoin_Again: a consumer whose node joins again follows the present commands, and no earlier
// ones.
func TestJoin_Again(t *testing.T) {
	bubble(t, func(w *world) {
		m := w.add(fleet.Config{}, sleeping(0), gentask.Config{})
		_, err := m.Pause(w.Context(), "emails", ana)
		require.NoError(w, err)
		time.Sleep(time.Second)
		require.NoError(w, m.Close())
		w.broker.Wipe()
		again, err := fleet.Join(w.Context(), w.broker.Connect(), fleet.Config{}, m.consumer)
		require.NoError(w, err)
		defer again.Close()
		require.Equal(w, gentask.Overrides{}, m.consumer.Health().Overrides)
	})
}

// TestCommands_WakeOnlyTheirQueue: a command for another queue is no business of a consumer.
func TestCommands_WakeOnlyTheirQueue(t *testing.T) {
	bubble(t, func(w *world) {
		m := w.fleet(1, gentask.Config{})[0]
		_, err := m.consumer.Override(w.Context(), gentask.Overrides{Paused: gentask.Override[bool]{Value: true}})
		require.NoError(w, err) // which nothing else may do: here it shows when the node calls it
		_, err = m.Pause(w.Context(), "others", ana)
		require.NoError(w, err)
		time.Sleep(time.Second)
		require.True(w, m.consumer.Health().Overrides.Paused.Value)
		_, err = m.SetConcurrency(w.Context(), "emails", 2, ana)
		require.NoError(w, err)
		time.Sleep(time.Second)
		require.False(w, m.consumer.Health().Overrides.Paused.Value)
	})
}
