package gentask

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/queue"
)

// job returns the entry with an ID that is held or at work.
func (r atRest) job(id string) *entry {
	for _, e := range inOrder(&r.ledger.held, &r.ledger.busy) {
		if e.delivery.ID == id {
			return e
		}
	}
	require.Fail(r, "there is no such job", id)
	return nil
}

// simTurn runs in a turn of the ledger, with its context.
type simTurn func(ctx actor.Context, l *ledger)

func (f simTurn) look(ctx actor.Context, l *ledger) { f(ctx, l) }

// delivery returns the entry of a delivery that the driver does not know.
func (r atRest) delivery(k *sessionLink, d queue.Delivery) *entry {
	d.ID, d.Tag = "made up", 1<<40
	return newEntry(&d, k, r.ledger.incarnation, r.consumer.cfg)
}

// TestOnDelivered_Counts: a delivery that waits is held, and shown.
func TestOnDelivered_Counts(t *testing.T) {
	rested(t, []string{"set Prefetch 2", "run a: hang", "publish a b"}, func(r atRest) {
		require.Equal(r, 2, r.consumer.Health().Held)
		require.Equal(r, 1, r.consumer.Health().Running)
	})
}

// TestOnDelivered_Stale: a delivery of a session that is over is not held.
func TestOnDelivered_Stale(t *testing.T) {
	rested(t, []string{"start"}, func(r atRest) {
		r.inTurn(func(l *ledger) {
			before := l.serial
			l.onDelivered(r.delivery(nil, queue.Delivery{}))
			require.Zero(r, l.held.Len())
			require.Equal(r, before, l.serial)
		})
	})
}

// TestOnDelivered_SharedIDs: that messages share an ID is logged once.
func TestOnDelivered_SharedIDs(t *testing.T) {
	rested(t, nil, func(r atRest) {
		text := r.logged()
		r.do("publish a", "wait 1s")
		require.NotContains(r, text.String(), "share an id")
		r.do("publish a", "wait 1s", "publish a", "wait 1s")
		require.Equal(r, 1, strings.Count(text.String(), "share an id"))
		require.Equal(r, 2, r.consumer.Health().SharedIDs)
	})
}

// TestOnDelivered_Healed: what a renewal of the intake has brought shows that the session was
// silent.
func TestOnDelivered_Healed(t *testing.T) {
	for _, renewed := range []bool{true, false} {
		rested(t, []string{"start"}, func(r atRest) {
			r.ledger.session.silence.renewed = renewed
			r.do("publish a")
			require.Equal(r, map[bool]int{true: 1}[renewed], r.seen("event healed"))
		})
	}
}

// TestProgress: the ledger makes progress when a delivery comes, when a worker ends, and when a
// delivery is settled.
func TestProgress(t *testing.T) {
	rested(t, []string{"run a: hang", "start", "wait 1m", "publish a"}, func(r atRest) {
		require.Less(r, time.Since(r.ledger.lastProgress), time.Second, "a delivery has come")
	})
	rested(t, []string{"fault SlowSettle 3s", "publish a", "wait 2s"}, func(r atRest) {
		require.Greater(r, time.Since(r.ledger.lastProgress), time.Second)
		r.do("wait 1010ms")
		require.Less(r, time.Since(r.ledger.lastProgress), time.Second, "settled")
	})
	rested(t, []string{"run a: settle deaf 3s", "publish a", "wait 2s"}, func(r atRest) {
		require.Greater(r, time.Since(r.ledger.lastProgress), time.Second)
		r.do("wait 1010ms")
		require.Less(r, time.Since(r.ledger.lastProgress), time.Second, "its worker has ended")
	})
}

// TestRecall: a delivery whose message is remembered waits for the floor. One that was published
// again is run then, and has the attempts that its broker counts. Of the others, a decision that
// would only make it wait is carried out if that takes long enough.
func TestRecall(t *testing.T) {
	for name, c := range map[string]struct {
		redelivered bool
		wish        Decision
		until, due  time.Duration
		decided     Decision
		attempt     int
		delayed     bool
	}{
		"published again": {wish: Ack(), until: time.Minute, attempt: 5, delayed: true},
		"settled at once": {redelivered: true, wish: Ack(), decided: Ack(), attempt: 2},
		"settled later":   {redelivered: true, wish: Ack(), until: time.Minute, decided: Ack(), attempt: 2},
		"waits long": {
			redelivered: true, wish: Requeue(0), due: floorBase, decided: Snooze(floorBase), attempt: 2,
		},
		"waits here": {redelivered: true, wish: Requeue(0), due: floorBase - 1, attempt: 2, delayed: true},
	} {
		rested(t, []string{"start"}, func(r atRest) {
			r.inTurn(func(l *ledger) {
				l.paused = true // it is not started
				e, now := r.delivery(l.session.link, queue.Delivery{Attempt: 5, Redelivered: c.redelivered}), time.Now()
				l.refusals.memory.Put(e.item.Identity, &returnee{
					wish: c.wish, attempt: 2, seen: 5, until: now.Add(c.until), due: now.Add(c.due),
				})
				l.onDelivered(e)
				d, _ := e.verdict()
				require.Equal(r, c.decided, d, name)
				require.Equal(r, c.attempt, e.item.Attempt, name)
				require.Equal(r, c.delayed, e.item.Waiting(), name)
				if c.delayed {
					require.Equal(r, &Keys{NotBefore: now.Add(c.until), Floor: true}, e.item.Keys, name)
				}
				require.Equal(r, c.until > 0 && !c.delayed, l.refusals.has(e), name)
				l.lose(e)
				l.paused = false
			})
		})
	}
}

// Keys are the keys of an item.
type Keys = admission.Keys

// strictJob runs f with a job at work that has an order to keep.
func strictJob(t *testing.T, script []string, f func(r atRest)) {
	t.Helper()
	rested(t, append([]string{"order account", "set FinishLost true", "set Prefetch 2"}, script...), func(r atRest) {
		r.do("publish a account=7")
		f(r)
	})
}

// TestKeeps has every phase and every reason not to take work.
func TestKeeps(t *testing.T) {
	strictJob(t, []string{"run a: hang"}, func(r atRest) {
		e := r.job("a")
		require.False(r, r.ledger.keeps(e), "it is not decided")
		r.inTurn(func(l *ledger) {
			now := l.session
			require.NoError(r, e.decide(Requeue(0), nil))
			for p := phaseClosed; p <= phaseClosing; p++ {
				flows := p == phaseReceiving || p == phasePausing
				l.session.phase = p
				require.Equal(r, flows, l.keeps(e), p)
				l.paused = true
				require.False(r, l.keeps(e), p)
				l.paused = false
				s := admission.NewSuspects()
				l.instance.limits.suspects = s
				require.Equal(r, flows, l.keeps(e), "no suspect is at work: %d", p)
				other := &admission.Item{Attempt: 2, Redelivered: true}
				s.Pass(other, time.Now())
				s.Started(other, time.Now())
				require.False(r, l.keeps(e), "another is: %d", p)
				s.Reset()
				e.item.Attempt, e.item.Redelivered = 2, true
				s.Pass(&e.item, time.Now())
				s.Started(&e.item, time.Now())
				require.True(r, l.keeps(e), "it is: %d", p)
				l.paused = true
				require.False(r, l.keeps(e), p)
				l.paused, l.instance.limits.suspects = false, nil
			}
			l.session = now
			e.item.Attempt = 1
			e.after = defaultHold
			require.False(r, l.keeps(e), "for so long")
			e.after = 0
			l.held.Remove(e)
			require.False(r, l.keeps(e), "it is lost")
			l.held.Push(e)
		})
	})
}

// TestDeferred: an early decision to try a job again is carried out when its worker and task are
// gone: here, if the consumer takes work and the hold is not over, and else by the broker.
func TestDeferred(t *testing.T) {
	for want, script := range map[string][]string{
		"event done a: requeue after 1s, in place": {"wait 5s"},
		"event done a: requeue after 1s\n":         {"pause", "wait 5s"},
		"event done a: requeue after 1s: hold":     nil,
		"event done a: session lost":               {"lose session", "wait 5s"},
	} {
		strictJob(t, []string{"run a: 3s ok"}, func(r atRest) {
			e := r.job("a")
			if script == nil {
				e.cfg.Policy.Order.Hold = 2 * time.Second
				want, script = "event done a: requeue after 1s\n", []string{"wait 5s"}
			}
			require.NoError(r, e.settle(Requeue(time.Second), nil))
			r.settle()
			require.True(r, e.deferred)
			require.Zero(r, r.seen("settle a"))
			r.do(script...)
			require.Equal(r, 1, r.seen(want), want)
			require.LessOrEqual(r, r.ledger.held.Len(), 1)
			r.do("resume", "wait 10s")
			require.Equal(r, 1, r.q.Stats().Acked)
			require.Zero(r, r.ledger.held.Len())
		})
	}
}

// TestDeferred_SentBefore: a decision that the link has is not carried out here as well.
func TestDeferred_SentBefore(t *testing.T) {
	strictJob(t, []string{"run a: 1s ok"}, func(r atRest) {
		r.do("fault SlowSettle 4s", "pause")
		require.NoError(r, r.job("a").settle(Requeue(0), nil))
		r.do("resume", "wait 3s")
		require.Zero(r, r.seen("in place"))
		require.Equal(r, 1, r.seen("run a\n"))
	})
}

// TestFreeSlot_InPlace: without a decision, the default policy's is carried out here, too.
func TestFreeSlot_InPlace(t *testing.T) {
	strictJob(t, []string{"run a: hang; ok"}, func(r atRest) {
		r.do("kill worker a", "wait 10s")
		require.Equal(r, 1, r.seen("event done a: requeue after 750ms, in place"))
		require.Zero(r, r.seen("settle a: requeue"))
		require.Equal(r, 1, r.q.Stats().Acked)
	})
}

// TestPace: a job that is released again and again waits longer each time, once for each delivery.
// That is forgotten when it is settled for good.
func TestPace(t *testing.T) {
	for _, in := range []string{"", ", in place"} {
		for _, end := range []string{"ack", "deadletter no"} {
			script := []string{"handle a: release; release; release; " + end}
			play := func(r atRest) {
				r.do("publish a account=7", "wait 10s")
				for _, wait := range []string{"100ms", "200ms"} {
					require.NotZero(r, r.seen("event done a: release after "+wait+in+"\n"), wait)
				}
				require.Zero(r, r.seen("event done a: release after 400ms"))
				require.Zero(r, r.ledger.instance.limits.comebacks.Len(), end)
				require.Equal(r, 1, r.q.Stats().Acked+r.q.Stats().DeadLettered)
			}
			if in != "" {
				script = append(script, "order account")
			}
			rested(t, script, play)
		}
	}
}

// TestOnSettleDue: the driver gets a settlement once at a time.
func TestOnSettleDue(t *testing.T) {
	script := []string{"run a: deadletter no", "fault RefuseCopy 1", "publish a"}
	rested(t, script, func(r atRest) {
		e, before := r.job("a"), r.seen("out   settle a")
		r.inTurn(func(l *ledger) {
			l.onSettleDue(e)
			l.onSettleDue(e)
		})
		require.Equal(r, before+1, r.seen("out   settle a"))
	})
}

// TestOnSettled_NotHeld: an answer about a delivery that is not held any more changes nothing.
func TestOnSettled_NotHeld(t *testing.T) {
	rested(t, []string{"start"}, func(r atRest) {
		r.inTurn(func(l *ledger) {
			require.Zero(r, l.held.Len())
			e := r.delivery(l.session.link, queue.Delivery{})
			msg := &settled{From: l.session.link, Entries: []*entry{e}, Settlements: []queue.Settlement{e.settlement()}}
			require.Panics(r, func() { l.onSettled(nil, msg) }, "it is of no lane that takes it back")
			require.False(r, e.closed)
		})
	})
}

// TestOnRefused_NotHeld: a delivery that the driver does not hold is given up, and that is loud.
func TestOnRefused_NotHeld(t *testing.T) {
	rested(t, []string{"run a: hang"}, func(r atRest) {
		text := r.logged()
		r.do("publish a")
		e := r.job("a")
		r.inTurn(func(l *ledger) { require.False(r, l.onRefused(nil, e, queue.ErrSettled, false)) })
		require.Zero(r, r.ledger.held.Len())
		require.Zero(r, r.ledger.refusals.held())
		require.Equal(r, 1, r.seen("event settlement failed a"))
		require.Contains(r, text.String(), "driver does not hold the delivery")
	})
}

// TestOnRefused_Suspect: the others do not wait for the settlement of a suspect.
func TestOnRefused_Suspect(t *testing.T) {
	script := []string{
		"set Policy.IsolateSuspects true", "run a: deadletter no", "fault RefuseCopy 100", "died a", "start", "wait 2s",
	}
	rested(t, script, func(r atRest) {
		require.Equal(r, 1, r.seen("event suspect"))
		require.Equal(r, 1, r.ledger.refusals.held())
		require.False(r, r.ledger.instance.limits.suspectBusy())
		r.do("fault none")
	})
}

// TestOnReturned has each answer of a driver that was asked to return a delivery.
func TestOnReturned(t *testing.T) {
	no := errors.New("no")
	for name, c := range map[string]struct {
		msg                                   returned
		stale, gone                           bool
		returned, failed, noWay, told, broken bool
		held                                  int
	}{
		"returned":           {returned: true},
		"of another session": {stale: true, held: 1},
		"not held":           {gone: true},
		"session over":       {msg: returned{Answer: link.Answer{Over: true, Err: no}}, broken: true},
		"settled before":     {msg: failedReturn(queue.ErrSettled), failed: true},
		"failed":             {msg: failedReturn(no), noWay: true, told: true, held: 1},
		"unsupported":        {msg: returned{Unsupported: true}, noWay: true, held: 1},
	} {
		rested(t, []string{"run a: deadletter no", "fault RefuseCopy 1"}, func(r atRest) {
			text := r.logged()
			r.do("publish a")
			e, failures, ended := r.job("a"), r.seen("event settlement failed"), false
			require.NoError(r, r.ask(simTurn(func(ctx actor.Context, l *ledger) {
				msg := c.msg
				msg.From, msg.Entries, msg.Settlements = l.session.link, []*entry{e}, []queue.Settlement{l.refusals.give(e, time.Now())}
				if c.stale {
					msg.From = nil
				}
				if c.gone {
					l.lose(e)
				}
				for tag, reason := range msg.Failed {
					msg.Failed = map[uint64]error{e.delivery.Tag + tag: reason}
				}
				l.onReturned(ctx, &msg)
				require.Equal(r, c.held, l.held.Len(), name)
				require.Equal(r, c.broken, l.session.phase == phaseClosing, name)
				one := l.refusals.of[e]
				require.Equal(r, c.noWay, one != nil && one.noWay, name)
				ended = true
			})))
			r.settle()
			require.True(r, ended, name)
			require.Equal(r, c.returned, r.seen("event returned a") > 0, name)
			require.Equal(r, c.failed, r.seen("event settlement failed") > failures, name)
			require.Equal(r, c.told, strings.Contains(text.String(), "not returned either"), name)
			r.do("wait 1m")
		})
	}
}

// failedReturn is the answer that the only delivery could not be returned.
func failedReturn(reason error) returned {
	return returned{Answer: link.Answer{Failed: map[uint64]error{0: reason}}}
}
