package gentask

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/queue"
)

// TestInstance_TimeToDrain: the tree gives its ledger the time to drain in the worst case: a job
// that ignores its context, and a driver that does not return.
func TestInstance_TimeToDrain(t *testing.T) {
	for _, c := range [][]string{{"run a: deaf 35s"}, {"run a: deaf 1h", "publish a", "stick"}} {
		rested(t, append([]string{"set DrainTimeout 10s", "set Grace 30s"}, c...), func(r atRest) {
			if len(c) == 1 {
				r.do("publish a")
			}
			actor.Stop(r.sys, r.consumer.current().root)
			r.do("wait 5m")
			require.True(r, r.over())
			require.Equal(r, 1, r.seen("event drained"))
			require.NoError(r, r.consumer.current().failure())
			require.Equal(r, len(c) == 1, r.q.Stats().Acked == 1)
		})
	}
}

// TestInstance_Fleet: a consumer with a limit of its fleet starts no job before it has a part of
// the limit, and stops a job that has lost its unit.
func TestInstance_Fleet(t *testing.T) {
	script := []string{"set Policy.Fleet.Concurrency 1", "run a: hang", "publish a", "wait 1m"}
	rested(t, script, func(r atRest) {
		require.Zero(r, r.seen("run a"))
		q := &simQuota{consumer: r.consumer, size: 1}
		r.consumer.SetQuota(q)
		r.do("wait 1s")
		require.Equal(r, 1, r.seen("run a"))
		q.used[0].cancel()
		r.do("wait 1s")
		require.Equal(r, 1, r.seen("a is stopped: the job's unit of the fleet's limit is lost"))
	})
}

// TestInstance_WithoutALedger: without a ledger it does no harm that a task ends, a gate opens or a
// unit is lost.
func TestInstance_WithoutALedger(t *testing.T) {
	rested(t, nil, func(r atRest) {
		require.NoError(r, r.start())
		r.settle()
		i := newInstance(r.consumer)
		require.NotPanics(r, func() {
			i.abandonedNow(1)
			i.unblock()
			i.unitLost(&admission.Item{})
		})
	})
}

// TestInstance_Unblock: a gate that has opened by itself is asked again.
func TestInstance_Unblock(t *testing.T) {
	rested(t, []string{"start"}, func(r atRest) {
		gate := &shut{}
		r.inTurn(func(l *ledger) { l.waiting.SetGates([]admission.Gate{gate}) })
		r.do("publish a")
		gate.open = true
		r.do("wait 10s")
		require.Zero(r, r.seen("run a"))
		r.consumer.current().unblock()
		r.settle()
		require.Equal(r, 1, r.seen("run a"))
	})
}

// TestInstance_CrashIsLogged: a ledger that crashes is restarted, and that is loud.
func TestInstance_CrashIsLogged(t *testing.T) {
	rested(t, nil, func(r atRest) {
		text := r.logged()
		r.do("start")
		require.NotContains(r, text.String(), "ledger crashed")
		r.do("crash ledger", "wait 1s")
		require.Contains(r, text.String(), "ledger crashed")
	})
}

// TestInstance_DriverStuckIsLogged: a session that is left behind is loud.
func TestInstance_DriverStuckIsLogged(t *testing.T) {
	rested(t, nil, func(r atRest) {
		text := r.logged()
		r.do("publish a", "stick", "publish b", "lose session", "wait 5m")
		require.Contains(r, text.String(), "driver does not return, session left behind")
	})
}

// TestInstance_NotStarted: an instance whose tree has ended without a ledger has ended, and its
// resources were never open.
func TestInstance_NotStarted(t *testing.T) {
	rested(t, nil, func(r atRest) {
		resource := &counted{}
		c, err := New(r.q, r.behavior().With(resource), r.cfg)
		require.NoError(r, err)
		i := c.begin()
		root := actor.SpawnRoot(r.sys, i.tree(func() actor.Actor { panic("no ledger") }), "stillborn")
		actor.OnExit(r.sys, root, i.notStarted)
		r.until(time.Hour, i.over)
		require.True(r, i.over())
		require.Error(r, i.failure())
		require.Equal(r, &counted{}, resource)
		require.NotNil(r, c.begin(), "it can be started again")
	})
}

// TestInstance_EndsOnce: the first reason why an instance gave up counts, and is reported. One that
// has the waiters of another ends with it.
func TestInstance_EndsOnce(t *testing.T) {
	rested(t, nil, func(r atRest) {
		var reported atomic.Int32
		r.cfg.OnEvent = func(ev Event) {
			if ev.Kind == EventGaveUp {
				reported.Add(1)
			}
		}
		c, err := New(r.q, r.behavior(), r.cfg)
		require.NoError(r, err)
		first, second := c.offer(), c.offer()
		require.True(r, first.givesUp(queue.ErrConfig))
		first.end(errStale)
		require.ErrorIs(r, first.failure(), queue.ErrConfig)
		second.end(errStale)
		require.NoError(r, second.failure())
		r.settle()
		require.Equal(r, int32(1), reported.Load())
	})
}

// TestInstance_Stop_TheStoreIsUpdated: Stop returns when a store has been updated with all jobs
// that are done, also with one whose session is lost.
func TestInstance_Stop_TheStoreIsUpdated(t *testing.T) {
	script := []string{
		"store 2s", "set FinishLost true", "run a: 3s ok", "publish a", "lose session", "stop", "wait 4s",
	}
	rested(t, script, func(r atRest) {
		require.True(r, r.over())
		require.False(r, isClosed(r.stopped))
		r.do("wait 2s")
		require.True(r, isClosed(r.stopped))
		require.Equal(r, 1, r.seen("store: a is done"))
	})
}

// TestConsumer_Enter: of several trees one at a time has the consumer. A tree that Start has begun
// has it before its ledger has entered. Each tree has an instance of its own.
func TestConsumer_Enter(t *testing.T) {
	rested(t, nil, func(r atRest) {
		c, err := New(r.q, r.behavior(), r.cfg)
		require.NoError(r, err)
		gone := func(name string) *actor.PID { return &actor.PID{Address: r.sys.Address(), Id: name} }
		root := actor.SpawnRoot(r.sys, actor.FromFunc(func(actor.Context) {}), "root")
		defer actor.Kill(r.sys, root)

		offered := c.offer()
		started := c.begin()
		require.Nil(r, c.enter(offered, r.sys, root))
		require.Same(r, started, c.enter(started, r.sys, root))
		require.Nil(r, c.enter(offered, r.sys, gone("other")))
		require.Same(r, started, c.enter(offered, r.sys, root), "its ledger was restarted")
		started.end(nil)

		offered = c.offer()
		require.Same(r, offered, c.enter(offered, r.sys, gone("first")))
		again := c.enter(offered, r.sys, gone("second"))
		require.NotNil(r, again)
		require.NotSame(r, offered, again, "the first tree is gone, and its end was not observed yet")
		again.end(nil)
	})
}

// TestConsumer_Enter_SharedWaiters: of two instances that were offered and share their waiters only
// one begins. The end of its tree, which may be observed late, is not that of the next one.
func TestConsumer_Enter_SharedWaiters(t *testing.T) {
	rested(t, nil, func(r atRest) {
		c, err := New(r.q, r.behavior(), r.cfg)
		require.NoError(r, err)
		enter := func(offered *instance, name string) *instance {
			return c.enter(offered, r.sys, &actor.PID{Address: r.sys.Address(), Id: name})
		}
		first, second := c.offer(), c.offer()
		require.Equal(r, first.done, second.done)
		require.Same(r, first, enter(first, "gone"))
		next := enter(second, "next")
		first.end(nil)
		require.False(r, next.over())
		next.end(nil)
		require.True(r, next.over())
	})
}

// TestConsumer_Enter_OlderThanAStop: a tree is stopped if its own Props are older than a Stop, and
// not because others are.
func TestConsumer_Enter_OlderThanAStop(t *testing.T) {
	rested(t, nil, func(r atRest) {
		c, err := New(r.q, r.behavior(), r.cfg)
		require.NoError(r, err)
		older := c.offer()
		c.revoke(nil)
		newer := c.offer()
		enter := func(offered *instance, name string) *instance {
			i := c.enter(offered, r.sys, &actor.PID{Address: r.sys.Address(), Id: name})
			i.end(nil)
			return i
		}
		require.True(r, enter(older, "a").stopping.Load())
		fresh := enter(newer, "b")
		require.False(r, fresh.stopping.Load())
		require.NotSame(r, newer, fresh, "its waiters are those of the older one, which has ended")
		require.True(r, enter(older, "c").stopping.Load())
	})
}

// TestInstance_Finish ends the right of the Props so far to begin an instance, unless another one
// has begun meanwhile.
func TestInstance_Finish(t *testing.T) {
	for _, another := range []bool{false, true} {
		rested(t, nil, func(r atRest) {
			c, err := New(r.q, r.behavior(), r.cfg)
			require.NoError(r, err)
			first := c.begin()
			props := c.offer()
			first.end(errStale)
			if another {
				defer c.begin().end(nil)
			}
			require.ErrorIs(r, first.finish(r.Context()), errStale)
			require.Equal(r, another, props.stops == c.stops)
		})
	}
}

// TestInstance_Finish_WithoutALimit: a drain may take as long as a Duration can be.
func TestInstance_Finish_WithoutALimit(t *testing.T) {
	rested(t, nil, func(r atRest) {
		r.cfg.DrainTimeout = forEver
		c, err := New(r.q, r.behavior(), r.cfg)
		require.NoError(r, err)
		i := c.begin()
		time.AfterFunc(time.Second, func() { i.end(nil) })
		require.NoError(r, i.finish(r.Context()))
	})
}

// TestInstance_OpenedAtLast: a session that could not be opened at first is no failure.
func TestInstance_OpenedAtLast(t *testing.T) {
	rested(t, []string{"fault RefuseOpen 1", "start"}, func(r atRest) {
		require.ErrorIs(r, r.consumer.current().neverOpened(), ErrNoSession)
		r.do("wait 1m")
		require.NoError(r, r.consumer.current().neverOpened())
	})
}

// TestInstance_NeverSaturated: with a MaxAbandoned of -1 no number of abandoned tasks is too large.
func TestInstance_NeverSaturated(t *testing.T) {
	script := []string{
		"set MaxAbandoned -1", "set Timeout 1s", "set Grace 1s", "run a: deaf 1h", "publish a", "wait 10s", "publish b",
	}
	rested(t, script, func(r atRest) {
		require.Equal(r, 1, r.seen("event task abandoned"))
		require.Equal(r, 1, r.seen("event done b: ack"))
	})
}
