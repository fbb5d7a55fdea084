package gentasktest_test

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/gentasktest"
)

// inProbe runs f in a bubble, with a system and a probe.
func inProbe(t *testing.T, f func(t *testing.T, sys *actor.System, p *gentasktest.Probe)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sys := actor.NewSystem(actor.SystemConfig{})
		f(t, sys, gentasktest.NewProbe(t, sys))
	})
}

type ping struct{ N int }

// echo answers a ping, twice as much, a minute later.
func echo(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case ping:
		sender, sys := ctx.Sender(), ctx.ActorSystem()
		time.AfterFunc(time.Minute, func() { actor.Send(sys, sender, ping{2 * m.N}) })
	case error:
		actor.Exit(ctx, m)
	}
}

func TestProbeExpects(t *testing.T) {
	inProbe(t, func(t *testing.T, sys *actor.System, p *gentasktest.Probe) {
		pid := actor.SpawnRoot(sys, actor.FromFunc(echo), "echo")
		p.Watch(pid)
		p.Send(pid, ping{21})
		p.ExpectSilence(time.Minute - 1)
		require.Equal(t, ping{42}, gentasktest.Expect[ping](p, time.Second))

		for n := range 10 {
			p.Send(pid, ping{n})
		}
		got := gentasktest.Fish(p, time.Hour, func(m ping) bool { return m.N >= 8 })
		require.GreaterOrEqual(t, got.N, 8)
		p.Send(pid, errBounced)
		gentasktest.Fish[*actor.Exited](p, time.Hour, nil)
	})
}

func TestProbeExpectsWhatHasCome(t *testing.T) {
	inProbe(t, func(t *testing.T, sys *actor.System, p *gentasktest.Probe) {
		for _, within := range []time.Duration{math.MinInt64, -1, 0, 1, math.MaxInt64} {
			actor.Send(sys, p.PID(), ping{1})
			actor.Send(sys, p.PID(), nil)
			actor.Send(sys, p.PID(), "last")
			synctest.Wait()
			require.Equal(t, 1, gentasktest.ExpectThat(p, within, func(m ping) bool { return m.N == 1 }).N)
			require.Equal(t, "last", gentasktest.Fish[string](p, within, nil))
		}
		p.ExpectSilence(0)
		p.ExpectSilence(-1)
	})
}

func TestProbeExpectsAnExit(t *testing.T) {
	inProbe(t, func(t *testing.T, sys *actor.System, p *gentasktest.Probe) {
		pid := actor.SpawnRoot(sys, actor.FromFunc(echo), "echo")
		p.Watch(pid)
		p.Send(pid, errBounced)
		require.ErrorIs(t, p.ExpectExit(pid, time.Second), errBounced)
		p.Watch(pid)
		require.ErrorIs(t, p.ExpectExit(pid, time.Second), actor.ErrNoProcess)
	})
}

func TestProbeReplies(t *testing.T) {
	inProbe(t, func(t *testing.T, sys *actor.System, p *gentasktest.Probe) {
		q := gentasktest.NewProbe(t, sys)
		q.Send(p.PID(), "question")
		require.Equal(t, "question", gentasktest.Expect[string](p, time.Second))
		require.Equal(t, q.PID().Id, p.LastSender().Id)
		p.Reply("answer")
		require.Equal(t, "answer", gentasktest.Expect[string](q, time.Second))
		q.Reply("thanks")
		gentasktest.Expect[string](p, time.Second)

		future := sys.Root.RequestFuture(p.PID(), "future", time.Minute)
		gentasktest.Expect[string](p, time.Second)
		p.Reply(ping{1})
		got, err := future.Result()
		require.NoError(t, err)
		require.Equal(t, ping{1}, got)
	})
}

func TestProbeFailuresSayWhatCameInstead(t *testing.T) {
	never := func(ping) bool { return false }
	for _, c := range []struct {
		fail func(p *gentasktest.Probe)
		want string
	}{
		{
			func(p *gentasktest.Probe) { _ = gentasktest.Expect[error](p, time.Second) },
			"probe expected error, and got gentasktest_test.ping {N:1}",
		},
		{
			func(p *gentasktest.Probe) { gentasktest.ExpectThat(p, time.Second, never) },
			"probe expected gentasktest_test.ping that fulfils the condition, and got gentasktest_test.ping {N:1}",
		},
		{
			func(p *gentasktest.Probe) { gentasktest.Fish(p, time.Second, never) },
			"probe fished for gentasktest_test.ping for 1s, and threw away 3 messages\n" +
				"  taken so far, the last one last:\n" +
				"    gentasktest_test.ping {N:1}\n    nil\n    string last",
		},
		{
			func(p *gentasktest.Probe) { p.ExpectSilence(time.Second) },
			"probe expected silence for 1s, and got gentasktest_test.ping {N:1}\n  taken so far, the last one last:\n" +
				"    gentasktest_test.ping {N:1}\n  waiting (2):\n    nil\n    string last",
		},
		{
			func(p *gentasktest.Probe) { _ = p.ExpectExit(p.PID(), time.Second) },
			"probe expected *actor.Exited of probe-$1, and got gentasktest_test.ping {N:1}",
		},
		{
			func(p *gentasktest.Probe) { gentasktest.Expect[ping](p, 0); p.Reply("x") },
			"probe can't reply with string x: the message that was taken last has no sender; want one that " +
				"was sent with ctx.Request",
		},
		{
			func(p *gentasktest.Probe) {
				gentasktest.Fish[string](p, 0, nil)
				gentasktest.Expect[fmt.Stringer](p, time.Minute)
			},
			"probe expected fmt.Stringer within 1m0s, and nothing came\n  taken so far",
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			sys, f := actor.NewSystem(actor.SystemConfig{}), &failing{}
			p := gentasktest.NewProbe(f, sys)
			defer p.Stop()
			for _, m := range []any{ping{1}, nil, "last"} {
				actor.Send(sys, p.PID(), m)
			}
			synctest.Wait()
			c.fail(p)
			require.Contains(t, f.text, "gentasktest: "+c.want)
			require.Less(t, len(f.text), 1000)
		})
	}
}

func TestProbeShowsOnlyTheBeginningOfMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sys, f := actor.NewSystem(actor.SystemConfig{}), &failing{}
		p := gentasktest.NewProbe(f, sys)
		defer p.Stop()
		for range 10_000 {
			actor.Send(sys, p.PID(), make([]byte, 10_000))
		}
		gentasktest.Fish(p, time.Second, func([]byte) bool { return false })
		require.Less(t, len(f.text), 5000)
	})
}

// TestProbeEndsWithItsTest, and a message to it afterwards is a dead letter.
func TestProbeEndsWithItsTest(t *testing.T) {
	sys := actor.NewSystem(actor.SystemConfig{})
	var p *gentasktest.Probe
	t.Run("inner", func(t *testing.T) { p = gentasktest.NewProbe(t, sys) })
	require.Eventually(t, func() bool { return !actor.Alive(sys, p.PID()) }, 10*time.Second, time.Millisecond)
}

func TestProbeSeesACrashWithItsReason(t *testing.T) {
	inProbe(t, func(t *testing.T, sys *actor.System, p *gentasktest.Probe) {
		pid := actor.SpawnRoot(sys, actor.FromFunc(func(ctx actor.Context) {
			if ctx.Message() == "crash" {
				panic(errBounced)
			}
		}), "crasher")
		p.Watch(pid)
		actor.Send(sys, pid, "crash")
		reason := p.ExpectExit(pid, time.Second)
		var panicked *actor.PanicError
		require.ErrorAs(t, reason, &panicked)
		require.ErrorIs(t, reason, errBounced)
	})
}
