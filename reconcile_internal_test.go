package gentask

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
)

// atRest lets a test look into a consumer that follows a script like those of the transcripts.
type atRest struct {
	*testing.T
	*replay
}

// rested runs f after the directives of a script.
func rested(t *testing.T, script []string, f func(r atRest)) {
	t.Helper()
	lab := newSimLab(t)
	synctest.Test(t, func(t *testing.T) {
		r := atRest{t, newReplay(lab.sys)}
		lab.now.Store(r.conductor)
		atomic.StoreUint64(&lab.sys.ProcessRegistry.SequenceID, firstName)
		defer func() {
			r.replay.end()
			require.Zero(t, lab.count()-lab.actors, "actors are left")
		}()
		r.do(script...)
		f(r)
	})
}

// do carries out directives.
func (r atRest) do(script ...string) {
	r.Helper()
	for _, line := range script {
		require.NoError(r, r.directive(line), line)
	}
}

// inTurn runs f in a turn of the ledger, before its reconcile.
func (r atRest) inTurn(f func(l *ledger)) {
	r.Helper()
	returned := false
	require.NoError(r, r.ask(simInside(func(l *ledger) {
		f(l)
		returned = true
	})))
	r.settle()
	require.True(r, returned)
}

// health returns the state that was published last, to tell whether it has been published again.
func (r atRest) health() *Health { return r.consumer.current().health.Load() }

// TestStaleMessages: a message of an earlier session changes nothing.
func TestStaleMessages(t *testing.T) {
	rested(t, []string{"run a: hang", "publish a", "wait 1s"}, func(r atRest) {
		old := r.ledger.session.link
		r.do("lose session", "wait 2s")
		now := r.ledger.session
		require.Equal(r, phaseReceiving, now.phase)
		require.NotSame(r, old, now.link)
		for _, msg := range []any{
			&sessionOpened{From: old}, &intakeDrained{From: old}, &intakeFlowing{From: old},
			&sessionBroken{From: old, Err: errStale}, &sessionClosed{From: old},
			&backlogCounted{From: old, Waiting: 1}, &settled{From: old}, &returned{From: old},
		} {
			require.NoError(r, r.ask(msg))
			r.settle()
			require.Equal(r, now, r.ledger.session, "%T", msg)
		}
	})
}

// TestStaleMessages_WhileClosing: a session that is being closed is over: what it still sends
// changes nothing, and to close it again neither.
func TestStaleMessages_WhileClosing(t *testing.T) {
	rested(t, []string{"publish a", "wait 1s"}, func(r atRest) {
		for range 2 {
			r.inTurn(func(l *ledger) {
				at := l.session.link
				l.closeSession(0)
				now := l.session
				require.Equal(r, phaseClosing, now.phase)
				time.Sleep(time.Nanosecond)
				l.closeSession(0)
				l.onOpened(at)
				l.onDrained(at)
				l.onFlowing(at)
				require.Equal(r, now, l.session)
			})
			r.inTurn(func(l *ledger) {
				require.Equal(r, phaseClosed, l.session.phase)
				require.Nil(r, l.session.link)
				l.closeSession(0)
				require.Equal(r, phaseClosed, l.session.phase)
			})
			r.do("wait 2s")
			require.Equal(r, phaseReceiving, r.ledger.session.phase)
		}
	})
}

var errStale = actor.ErrGoexit // any error does

// TestAnyUnstarted finds a delivery that is held and was not started: none at work, none that is
// refused, and none that is lost though its job still runs.
func TestAnyUnstarted(t *testing.T) {
	script := []string{"set Concurrency 2", "set Grace 1h", "set Timeout 1h", "run a: deaf", "publish a", "wait 1s"}
	rested(t, script, func(r atRest) {
		require.False(r, r.ledger.anyUnstarted())
		r.do("lose session", "wait 2s")
		require.Equal(r, 1, r.ledger.busy.Len())
		require.Equal(r, 1, r.ledger.held.Len())
		require.True(r, r.ledger.anyUnstarted(), "it came again, and waits for its first run")
	})
}

func TestAnyUnstarted_Refused(t *testing.T) {
	script := []string{
		"run a: snooze 1m", "run b: hang", "set Concurrency 2", "fault RefuseCopy 100",
		"publish a b", "wait 100ms",
	}
	rested(t, script, func(r atRest) {
		l := r.ledger
		require.Equal(r, 1, l.refusals.held())
		require.False(r, l.anyUnstarted())
		for e := range l.held.All() { // as if its job went on after an early decision
			if l.refusals.has(e) && !l.busy.Has(e) {
				l.busy.Push(e)
				require.False(r, l.anyUnstarted())
				l.busy.Remove(e)
			}
		}
		r.do("fault none")
	})
}

// TestSaturated: a consumer takes no work while as many calls of HandleResult hang as may.
func TestSaturated(t *testing.T) {
	rested(t, []string{"start"}, func(r atRest) {
		hook := r.consumer.cfg.hooks.handle
		for range guard.MaxHung - 1 {
			hook.CountHung()
		}
		require.False(r, r.ledger.instance.saturated())
		require.True(r, r.ledger.takesWork())
		hook.CountHung()
		require.True(r, r.ledger.instance.saturated())
		require.False(r, r.ledger.takesWork())
		for range guard.MaxHung {
			hook.CountReturned()
		}
	})
}

// TestFull: nothing is missing from a consumer that takes no work.
func TestFull(t *testing.T) {
	rested(t, []string{"start"}, func(r atRest) {
		prefetch := r.ledger.session.link.Prefetch()
		r.inTurn(func(l *ledger) {
			more := make([]*entry, prefetch)
			for i := range more {
				require.False(r, l.full())
				more[i] = &entry{}
				l.held.Push(more[i])
			}
			require.True(r, l.full())
			l.paused = true
			require.False(r, l.full())
			l.paused = false
			for _, e := range more {
				l.held.Remove(e)
			}
		})
	})
}

// TestResume_AsksOnce: another turn before the broker has resumed does not ask again.
func TestResume_AsksOnce(t *testing.T) {
	rested(t, []string{"start", "pause"}, func(r atRest) {
		l := r.ledger
		require.Equal(r, phasePaused, l.session.phase)
		phases := []phase{}
		for range 2 {
			require.NoError(r, r.ask(simInside(func(l *ledger) {
				l.paused = false
				phases = append(phases, l.session.phase)
			})))
		}
		r.settle()
		require.Equal(r, []phase{phasePaused, phaseResuming}, phases)
		require.Equal(r, phaseReceiving, l.session.phase)
	})
}

// TestPublish: Health is made when something has changed, and by each tick.
func TestPublish(t *testing.T) {
	rested(t, []string{"start"}, func(r atRest) {
		r.inTurn(func(*ledger) {})
		before := r.health()
		r.inTurn(func(*ledger) {})
		require.Same(r, before, r.health())
		r.inTurn(func(l *ledger) { l.shown = view{} })
		require.NotSame(r, before, r.health())
		before = r.health()
		r.do("wait 600ms")
		require.NotSame(r, before, r.health(), "by a tick")
	})
}

// TestDrain_WhileOpening: a session that is being opened is given up, however long that takes.
func TestDrain_WhileOpening(t *testing.T) {
	rested(t, []string{"fault SlowOpen 1h", "set DrainTimeout 1h", "start", "wait 1s"}, func(r atRest) {
		require.Equal(r, phaseOpening, r.ledger.session.phase)
		r.do("stop", "wait 1s")
		require.True(r, r.over())
	})
}

// TestDrain_LastOfAll: a call of HandleResult that hangs does not hold up the end.
func TestDrain_LastOfAll(t *testing.T) {
	script := []string{"set DrainTimeout 1s", "set Grace 1s", "handle a: hang", "publish a", "stop", "wait 6900ms"}
	rested(t, script, func(r atRest) {
		require.False(r, r.over())
		require.Equal(r, 1, r.ledger.busy.Len())
		r.do("wait 1s")
		require.True(r, r.over())
	})
}

// TestDrain_CancelsWhenNothingComes: while the broker still sends, a cancelled job would come
// again.
func TestDrain_CancelsWhenNothingComes(t *testing.T) {
	rested(t, []string{"run a: hang", "set DrainTimeout 1h", "publish a"}, func(r atRest) {
		r.do("stop")
		r.inTurn(func(l *ledger) {
			l.session.phase = phasePausing
			l.drain.over = true
		})
		require.False(r, r.ledger.drain.cut)
		r.inTurn(func(l *ledger) { l.session.phase = phasePaused })
		require.True(r, r.ledger.drain.cut)
	})
}

// TestDrain_Closing: the session is closed once, when all is settled.
func TestDrain_Closing(t *testing.T) {
	rested(t, []string{"start"}, func(r atRest) {
		r.inTurn(func(l *ledger) {
			l.drain = &drain{timer: time.NewTimer(time.Hour)}
			l.session.phase = phasePaused
			l.reconcileDrain(nil)
			require.Equal(r, phaseClosing, l.session.phase)
		})
		require.True(r, r.over())
	})
}

// TestGiveBackUnstarted_Suspect: a suspect that is due stays only in a consumer that would run it.
func TestGiveBackUnstarted_Suspect(t *testing.T) {
	rested(t, []string{"set Policy.IsolateSuspects true", "died a"}, func(r atRest) {
		require.NoError(r, r.start())
		due := func() bool {
			return r.ledger != nil && r.ledger.waiting != nil && r.ledger.instance.limits.suspectDue() != nil
		}
		for r.rest(); !due(); r.rest() {
			r.step()
		}
		r.ledger.paused = true
		r.settle()
		require.Equal(r, phasePaused, r.ledger.session.phase)
		require.False(r, due())
		require.Zero(r, r.ledger.held.Len())
		require.Equal(r, 1, r.q.Stats().Ready)
	})
}

// TestHandleHangs_CountedOnce: the worker is given up once, though its task still runs.
func TestHandleHangs_CountedOnce(t *testing.T) {
	script := []string{"set Timeout 1s", "set Grace 1m", "run a: deaf", "handle a: hang", "publish a", "wait 15s"}
	rested(t, script, func(r atRest) {
		require.Equal(r, 1, r.ledger.busy.Len())
		require.Equal(r, 1, r.consumer.cfg.hooks.handle.Hung())
	})
}

// TestHandleHangs_Extend: a worker that was given up ends when HandleResult returns, with any
// decision.
func TestHandleHangs_Extend(t *testing.T) {
	script := []string{"set Timeout 1s", "set Grace 1m", "run a: deaf", "handle a: hang extend 1m", "publish a", "wait 15s"}
	rested(t, script, func(r atRest) {
		for e := range r.ledger.busy.All() {
			require.True(r, actor.Alive(r.sys, e.workerPID()), "it is in HandleResult")
		}
		// It returns at the end of the test, which counts the actors that are left.
	})
}

// TestProbeBreaker_Unstarted: the breaker does not probe while a delivery that was not started has
// yet to go back.
func TestProbeBreaker_Unstarted(t *testing.T) {
	script := []string{
		"set Policy.Breaker.FailureRate 1", "set Policy.Breaker.MinRuns 2",
		"run a: error x", "run b: error x", "publish a b", "wait 100ms",
	}
	rested(t, script, func(r atRest) {
		l := r.ledger
		require.True(r, l.instance.limits.breakerOpen())
		late := &entry{}
		l.held.Push(late)
		r.do("wait 1m")
		require.True(r, l.instance.limits.breakerOpen())
		l.held.Remove(late)
		r.do("wait 1m")
		require.False(r, l.instance.limits.breakerOpen())
	})
}

// TestListen_AsksOnce: one question at a time.
func TestListen_AsksOnce(t *testing.T) {
	rested(t, []string{"start"}, func(r atRest) {
		r.inTurn(func(l *ledger) {
			l.session.silence.since = time.Time{}
			l.session.listen(l.source, l.takesWork(), l.held.Len(), time.Now())
			require.True(r, l.session.silence.asking)
		})
	})
}

// TestListen_Paused: a consumer that takes no work does not ask for the backlog.
func TestListen_Paused(t *testing.T) {
	rested(t, []string{"start", "wait 1m"}, func(r atRest) {
		r.inTurn(func(l *ledger) {
			l.paused = true
			l.session.silence.since = time.Time{}
			l.session.listen(l.source, l.takesWork(), l.held.Len(), time.Now())
			require.False(r, l.session.silence.asking)
			require.NotZero(r, l.session.silence.since)
			l.paused = false
		})
	})
}

// TestWorkersStuck: workers whose supervisor does nothing get another one, and their deliveries go
// back.
func TestWorkersStuck(t *testing.T) {
	rested(t, []string{"worker actor", "set Concurrency 2", "start"}, func(r atRest) {
		first := r.ledger.workers.supervisor
		r.ledger.workers.supervisor = &actor.PID{Address: r.sys.Address(), Id: "nobody"}
		nobody := r.ledger.workers.supervisor
		r.do("publish a", "wait 4s", "publish b", "wait 2s")
		require.NotEqual(r, nobody, r.ledger.workers.supervisor, "b is not late yet, but a is")
		require.NotEqual(r, first, r.ledger.workers.supervisor)
		r.do("wait 1m")
		require.Equal(r, 2, r.q.Stats().Acked)
	})
}

// TestJammed_IsOver: the time that the prefetch was full of refused deliveries is not carried over.
func TestJammed_IsOver(t *testing.T) {
	rested(t, []string{"start"}, func(r atRest) {
		r.ledger.refusals.jammed = time.Now()
		r.do("wait 600ms")
		require.Zero(r, r.ledger.refusals.jammed)
	})
}

// TestCrowded: messages that wait for their floors, and fill the prefetch, make room for others.
// One that is only to be settled is returned once more.
func TestCrowded(t *testing.T) {
	script := []string{
		"set Prefetch 1", "run a: deadletter no", "fault CrudeReturn true", "fault CopyError ErrTooLarge",
		"fault RefuseCopy 2", "publish a", "wait 3200ms",
	}
	rested(t, script, func(r atRest) {
		require.Equal(r, 1, r.ledger.refusals.held())
		for e := range r.ledger.held.All() {
			require.Equal(r, 4, e.delivery.Attempt, "two refusals, and a return for others")
		}
	})
}

// TestCrowded_Undecided: one that is to be run is run sooner than its floor says, but only while
// such messages fill the prefetch.
func TestCrowded_Undecided(t *testing.T) {
	for prefetch, soon := range map[string]bool{"1": true, "2": false} {
		script := []string{
			"set Prefetch " + prefetch, "set Retry.MaxAttempts -1", "fault CrudeReturn true",
			"fault CopyError ErrTooLarge", "fault RefuseCopy 9",
			"run a: error x; error x; error x; error x; error x; error x; error x; error x; error x; ok",
			"publish a", "wait 2m20s",
		}
		rested(t, script, func(r atRest) {
			runs := len(r.runs["a"])
			require.NotZero(r, runs)
			r.do("wait 1m")
			require.Equal(r, soon, len(r.runs["a"]) < runs, "the floor is more than two minutes")
			r.do("wait 10m")
			require.Equal(r, 1, r.q.Stats().Acked)
		})
	}
}
