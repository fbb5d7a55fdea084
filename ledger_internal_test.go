package gentask

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/guard"
)

// seen returns how often a text is in the transcript so far.
func (r atRest) seen(text string) int {
	r.log.flush()
	return strings.Count(r.log.text(), text)
}

// logged lets the consumer, which has not started, log into the returned text.
func (r atRest) logged() *strings.Builder {
	text := &strings.Builder{}
	r.cfg.Logger = slog.New(slog.NewTextHandler(text, nil))
	return text
}

// careful is a ledger that counts its panics.
type careful struct {
	*ledger
	panics *int
}

func (c careful) Receive(ctx actor.Context) {
	defer func() {
		if fault := recover(); fault != nil {
			*c.panics++
			panic(fault)
		}
	}()
	c.ledger.Receive(ctx)
}

// TestLedger_InAnotherTree ends with ErrRunning, and logs that once. It has no part in the
// consumer: the messages of its end change nothing.
func TestLedger_InAnotherTree(t *testing.T) {
	rested(t, nil, func(r atRest) {
		text := r.logged()
		r.do("start")
		var reason error
		panics, offered, mine := 0, r.consumer.offer(), r.ledger.instance
		other := actor.SpawnRoot(r.sys, actor.FromProducer(func() actor.Actor {
			return careful{newLedger(offered), &panics}
		}), "other")
		actor.OnExit(r.sys, other, func(e *actor.Exited) { reason = e.Reason })
		r.settle()
		require.ErrorIs(r, reason, ErrRunning)
		require.Zero(r, panics)
		require.Equal(r, 1, strings.Count(text.String(), "consumer runs in another tree"))
		require.Same(r, mine, r.consumer.current())
		require.Equal(r, phaseReceiving, r.ledger.session.phase)
	})
}

// TestLedger_FirstTurn: a consumer shows that its ledger works, from the first turn on.
func TestLedger_FirstTurn(t *testing.T) {
	rested(t, []string{"start"}, func(r atRest) {
		require.False(r, r.consumer.Health().Turn.IsZero())
	})
}

// TestLedger_StoppedBeforeItBegins: then it begins nothing, and that is no failure.
func TestLedger_StoppedBeforeItBegins(t *testing.T) {
	rested(t, nil, func(r atRest) {
		require.NoError(r, r.start())
		i := r.consumer.current()
		i.stopping.Store(true)
		r.settle()
		require.True(r, r.over())
		require.NoError(r, i.failure())
		require.Nil(r, r.ledger.tasks)
	})
}

// TestLedger_StoppedByItsParent drains: a running job ends by itself.
func TestLedger_StoppedByItsParent(t *testing.T) {
	rested(t, []string{"run a: 2s ok"}, func(r atRest) {
		text := r.logged()
		r.do("publish a")
		actor.Stop(r.sys, r.consumer.current().root)
		r.do("wait 3s")
		require.True(r, r.over())
		require.Equal(r, 1, r.seen("a returns"))
		require.Equal(r, 1, r.q.Stats().Acked)
		require.Contains(r, text.String(), "told to stop by its parent")
	})
}

// TestLedger_AnotherActorEnds: the end of an actor that is none of its children is no loss.
func TestLedger_AnotherActorEnds(t *testing.T) {
	rested(t, []string{"start"}, func(r atRest) {
		self := r.ledger.self
		require.NoError(r, r.ask(&actor.Exited{PID: &actor.PID{Address: self.Address, Id: "nobody"}, Reason: errStale}))
		r.do("wait 1s")
		require.Equal(r, self, r.ledger.self)
		require.Equal(r, phaseReceiving, r.ledger.session.phase)
	})
}

// TestLedger_TasksEnd: a ledger whose task supervisor takes no more tasks ends, and the next one
// has another.
func TestLedger_TasksEnd(t *testing.T) {
	rested(t, []string{"start"}, func(r atRest) {
		first := r.ledger
		require.NoError(r, r.ask(&tasksEnding{}))
		r.do("wait 1s")
		require.NotSame(r, first, r.ledger)
		require.Equal(r, phaseReceiving, r.ledger.session.phase)
	})
}

// TestLedger_WorkersLost: the library's own workers have no supervisor that could be lost.
func TestLedger_WorkersLost(t *testing.T) {
	rested(t, []string{"run a: 1s ok", "publish a"}, func(r atRest) {
		r.inTurn(func(l *ledger) { l.workersLost(errStale) })
		require.Equal(r, 1, r.ledger.busy.Len())
		r.do("wait 2s")
		require.Equal(r, 1, r.seen("HandleResult a: ok"))
		require.Equal(r, 1, r.q.Stats().Acked)
	})
}

// TestLedger_WorkersLost_NotSpawned: a worker that was never spawned costs no attempt, unless its
// producer has ended the supervisor: it would do so again at once.
func TestLedger_WorkersLost_NotSpawned(t *testing.T) {
	for reason, done := range map[error]string{
		errors.New("lost"): "event done a: release", &actor.GoexitError{}: "event done a: requeue after 750ms",
	} {
		rested(t, []string{"worker actor", "start"}, func(r atRest) {
			first := r.ledger.workers.supervisor
			r.ledger.workers.supervisor = &actor.PID{Address: r.sys.Address(), Id: "nobody"}
			r.do("publish a")
			require.Equal(r, 1, r.ledger.busy.Len())
			r.ledger.workers.supervisor = first
			r.inTurn(func(l *ledger) { l.workersLost(reason) })
			require.Equal(r, 1, r.seen(done), "%v", reason)
		})
	}
}

// TestLedger_CrashKeepsCounts: abandoned tasks outlive the ledger, and the next one counts on.
func TestLedger_CrashKeepsCounts(t *testing.T) {
	script := []string{
		"set Timeout 1s", "set Grace 1s", "set MaxAbandoned 5", "run a: deaf 3s; deaf 1h; ok", "publish a", "wait 6s",
	}
	rested(t, script, func(r atRest) {
		for _, again := range []bool{false, true} {
			h := r.consumer.Health()
			require.Equal(r, 1, h.Abandoned, "after a crash: %v", again)
			require.Equal(r, 1, h.Late, "after a crash: %v", again)
			r.do("crash", "wait 100ms")
		}
		sent := r.seen("event task abandoned")
		require.NoError(r, r.ask(&abandonedNow{r.ledger.abandoned}))
		r.settle()
		require.Equal(r, sent, r.seen("event task abandoned"), "no other was abandoned")
	})
}

// TestLedger_Crash: nothing of a crashed ledger is left. Its jobs are told why they end, and what
// they still send has no receiver. A pause outlives it.
func TestLedger_Crash(t *testing.T) {
	script := []string{"set FinishLost true", "run a: hang", "publish a", "pause", "pause"}
	rested(t, script, func(r atRest) {
		require.Equal(r, 1, r.seen("event paused"))
		first := r.ledger.incarnation
		r.do("crash")
		require.True(r, first.over.Load())
		require.Equal(r, 1, r.seen("a is stopped: worker ended without a decision"))
		require.Zero(r, r.consumer.Health().Running)
		require.Zero(r, r.consumer.Health().Held)
		r.do("wait 1s")
		require.NotSame(r, first, r.ledger.incarnation)
		require.Equal(r, phasePaused, r.ledger.session.phase)
		require.Equal(r, Paused, r.consumer.Health().State)
	})
}

// TestLedger_Crash_LateMessages: what goes on after a crash of the ledger, and ends then, is not
// logged as a lost message.
func TestLedger_Crash_LateMessages(t *testing.T) {
	rested(t, []string{"store 2s", "publish a"}, func(r atRest) {
		var lost int
		letters := r.sys.EventStream.Subscribe(func(event any) {
			if fmt.Sprintf("%T", event) == "*actor.DeadLetterEvent" {
				lost++
			}
		})
		defer r.sys.EventStream.Unsubscribe(letters)
		actor.Send(r.sys, &actor.PID{Address: r.sys.Address(), Id: "nobody"}, "lost")
		require.Equal(r, 1, lost)
		r.do("wait 1s")
		require.Equal(r, 1, r.seen("a returns"))
		r.do("crash", "wait 1m")
		require.Equal(r, 1, lost, "there is no other")
		require.Equal(r, 1, r.q.Stats().Acked)
	})
}

// TestLedger_CrashKeepsSlots: the slots of a pool are taken as long as the tasks of a crashed
// ledger run.
func TestLedger_CrashKeepsSlots(t *testing.T) {
	rested(t, []string{"set Grace 10s", "run a: deaf 5s"}, func(r atRest) {
		pool := NewPool(2)
		r.cfg.Policy.Pool.Slots = pool
		r.do("publish a", "crash")
		require.Equal(r, 1, pool.InUse())
		require.Zero(r, r.seen("a returns"))
		r.do("wait 1m")
		require.Zero(r, pool.InUse())
	})
}

// TestLedger_KilledWhileItDrains: Stop returns a report of what has become of the deliveries by
// then. There is no event, because the drain was cut short.
func TestLedger_KilledWhileItDrains(t *testing.T) {
	for _, lost := range []bool{false, true} {
		rested(t, []string{"set DrainTimeout 1h", "set FinishLost true", "run a: deaf 20s", "publish a"}, func(r atRest) {
			if lost {
				r.do("lose session", "wait 10ms")
			}
			r.do("stop", "kill ledger", "wait 1m")
			require.True(r, r.over())
			require.Zero(r, r.seen("event drained"))
			i := r.consumer.current()
			i.mu.Lock()
			defer i.mu.Unlock()
			if !lost {
				require.Equal(r, 1, i.report.Lost)
			}
		})
	}
}

// TestLedger_Cancel stops the jobs with the ID, and no other.
func TestLedger_Cancel(t *testing.T) {
	script := []string{"set Concurrency 3", "run a: hang", "run b: hang", "publish a b", "cancel b"}
	rested(t, script, func(r atRest) {
		require.Equal(r, 1, r.seen("b is stopped: job cancelled"))
		require.Zero(r, r.seen("a is stopped"))
	})
}

// TestLedger_Cancel_Idle: an idle worker is ended at once, but not one whose job is decided.
func TestLedger_Cancel_Idle(t *testing.T) {
	rested(t, []string{"worker actor", "actor a: 1h run", "publish a", "cancel a"}, func(r atRest) {
		require.Zero(r, r.ledger.busy.Len())
		require.Equal(r, 1, r.seen("event done a: dead letter"))
	})
	script := []string{"worker actor", "run a: settle ok", "handle a: ignore", "publish a", "cancel a"}
	rested(t, script, func(r atRest) {
		require.Equal(r, 1, r.q.Stats().Acked)
		require.Equal(r, 1, r.ledger.busy.Len())
	})
}

// TestLedger_CancelAll stops the jobs that have a slot, and counts those that are still to be
// settled or run. A job that is decided and still runs has a slot.
func TestLedger_CancelAll(t *testing.T) {
	script := []string{
		"set Concurrency 3", "set Prefetch 5", "fault RefuseCopy 100",
		"run decided: settle hang", "run done: snooze 1m", "run runs: hang", "run other: hang",
		"publish decided done runs other waits", "wait 100ms",
	}
	rested(t, script, func(r atRest) {
		changes := make([]OverrideChange, 0, 5)
		for _, id := range []string{"decided", "done", "runs", "waits", "unknown"} {
			changes = append(changes, OverrideChange{Kind: OverrideCancelled, ID: id, To: overrideOn})
		}
		r.inTurn(func(l *ledger) { l.cancelAll(changes) })
		jobs := map[string]int{}
		for _, c := range changes {
			jobs[c.ID] = c.Jobs
		}
		require.Equal(r, map[string]int{"decided": 1, "done": 0, "runs": 1, "waits": 1, "unknown": 0}, jobs)
		require.Equal(r, 2, r.seen("is stopped: job cancelled"))
	})
}

// TestLedger_PausesOnce: a consumer that two jobs pause is paused by the first.
func TestLedger_PausesOnce(t *testing.T) {
	script := []string{"set Concurrency 2", "handle a: pause", "handle b: pause", "publish a b"}
	rested(t, script, func(r atRest) {
		require.Equal(r, 1, r.seen("event paused"))
		require.Equal(r, Paused, r.consumer.Health().State)
	})
}

// TestLedger_PausedByAnOperatorAndAJob: the job's pause is reported, though nothing changes, and it
// stays when the operator resumes the consumer.
func TestLedger_PausedByAnOperatorAndAJob(t *testing.T) {
	script := []string{"run a: 2s ok", "handle a: pause", "publish a", "override paused", "wait 1s"}
	rested(t, script, func(r atRest) {
		require.Equal(r, 1, r.seen("event paused"))
		r.do("wait 2s")
		require.Equal(r, 2, r.seen("event paused"))
		r.do("override")
		require.Equal(r, Paused, r.consumer.Health().State)
		r.do("resume")
		require.Equal(r, Consuming, r.consumer.Health().State)
	})
}

// TestLedger_DrainsOnce: a second request joins the first.
func TestLedger_DrainsOnce(t *testing.T) {
	rested(t, []string{"run a: 2s ok", "publish a", "stop"}, func(r atRest) {
		begun := r.ledger.drain
		require.NoError(r, r.ask(&drainRequest{}))
		r.settle()
		require.Same(r, begun, r.ledger.drain)
		r.do("wait 3s")
		require.Equal(r, 1, r.seen("event draining"))
		require.Equal(r, 1, r.q.Stats().Acked)
	})
}

// shut is a gate that is closed until it is opened.
type shut struct {
	admission.Gate
	open bool
}

func (g *shut) Pass(*admission.Item, time.Time) admission.Answer {
	if g.open {
		return admission.Answer{}
	}
	return admission.Answer{Kind: admission.Skip}
}

func (*shut) Started(*admission.Item, time.Time)                 {}
func (*shut) Ended(*admission.Item, admission.Result, time.Time) {}
func (*shut) Gone(*admission.Item, admission.Fate, time.Time)    {}

// TestLedger_GatesAreAskedAgain when one may have opened by itself, or by a request.
func TestLedger_GatesAreAskedAgain(t *testing.T) {
	for name, msg := range map[string]any{
		"unblocked":   &unblocked{},
		"concurrency": &concurrencyRequest{n: 1, answer: func(error) {}},
	} {
		rested(t, []string{"start"}, func(r atRest) {
			gate := &shut{}
			r.inTurn(func(l *ledger) { l.waiting.SetGates([]admission.Gate{gate}) })
			r.do("publish a")
			gate.open = true
			r.inTurn(func(*ledger) {})
			require.Zero(r, r.seen("run a"), "nothing has changed: it is not asked for each turn")
			require.NoError(r, r.ask(msg))
			r.settle()
			require.Equal(r, 1, r.seen("run a"), name)
		})
	}
}

// TestLedger_OpensOneSession: none while there is one, nor for a consumer that drains.
func TestLedger_OpensOneSession(t *testing.T) {
	rested(t, []string{"start"}, func(r atRest) {
		r.inTurn(func(l *ledger) {
			now, i := l.session, l.incarnation
			l.openSession(nil)
			require.Equal(r, now, l.session)
			for _, end := range []func(){func() { l.drain = &drain{} }, func() { l.incarnation = nil }} {
				l.session.phase = phaseClosed
				end()
				l.openSession(nil)
				require.Equal(r, phaseClosed, l.session.phase)
				require.Same(r, now.link, l.session.link)
				l.session, l.drain, l.incarnation = now, nil, i
			}
		})
	})
}

// TestLedger_DriverIsStuck: while as many sessions hang as may, no other is opened. It is tried
// again, and is a warning once there has been a session.
func TestLedger_DriverIsStuck(t *testing.T) {
	for _, before := range []bool{false, true} {
		rested(t, nil, func(r atRest) {
			text := r.logged()
			require.NoError(r, r.start())
			driving := r.consumer.cfg.hooks.driving
			if before {
				r.settle()
				r.do("lose session")
			}
			for range guard.MaxHung {
				driving.CountHung()
			}
			r.do("wait 5s")
			require.Equal(r, phaseClosed, r.ledger.session.phase)
			require.ErrorIs(r, r.consumer.Health().Error, ErrDriverStuck)
			level := map[bool]string{false: "level=ERROR", true: "level=WARN"}[before]
			require.Contains(r, text.String(), level+` msg="gentask: no session" consumer=transcript node=`)
			require.NotContains(r, text.String(), map[bool]string{true: "level=ERROR", false: "level=WARN"}[before])
			driving.CountReturned()
			r.do("wait 1m")
			require.Equal(r, phaseReceiving, r.ledger.session.phase, "one fewer")
			for range guard.MaxHung - 1 {
				driving.CountReturned()
			}
		})
	}
}
