package actor

import (
	"time"

	"github.com/gentask/gentask/internal/process"
)

// minPeriod is the shortest period of [StartTicker].
const minPeriod = time.Millisecond

// StartTimer sends message once, after d, to the actor that ctx belongs to. A d of zero or less
// sends it at once, behind the messages that wait. A d of math.MaxInt64 never ends.
//
// The actor has one timer for each key: a new one, also of [StartTicker], replaces it. The message
// of a timer that was replaced or stopped is not delivered, even if it waits in the mailbox
// already. All timers of an actor are stopped when it begins to stop.
//
// StartTimer must be called from within the actor's Receive. It panics if the actor was not spawned
// from Props of this package, nor by [Spawn] or [SpawnRoot].
func StartTimer(ctx Context, key string, d time.Duration, message any) {
	callTimer(ctx, "StartTimer", &timerCall{start: &timer{key: key, message: message}, after: d})
}

// StartTicker sends message each time that period has passed, until the timer of this key is
// stopped or replaced: see [StartTimer]. A period below 1 ms means 1 ms.
//
// At most one tick waits in the mailbox. Ticks that are due while it waits are left out, as those
// of a time.Ticker are.
func StartTicker(ctx Context, key string, period time.Duration, message any) {
	period = max(period, minPeriod)
	t := &timer{key: key, message: message, period: period, due: time.Now().Add(period)}
	callTimer(ctx, "StartTicker", &timerCall{start: t, after: period})
}

// StopTimer stops the actor's timer of this key, and reports whether there was one whose message
// had not been delivered. It must be called from within the actor's Receive.
func StopTimer(ctx Context, key string) bool {
	return callTimer(ctx, "StopTimer", &timerCall{stop: key}).found
}

// timer is one timer of an actor. It is its own message to the mailbox, so its identity shows a
// stale one.
type timer struct {
	key     string
	message any
	period  time.Duration // 0: it fires once
	due     time.Time     // of a ticker
	clock   *time.Timer
}

// timerCall starts or stops a timer. It takes effect when the actor posts it.
type timerCall struct {
	start *timer // nil: stop the timer of the key stop
	after time.Duration
	stop  string

	done  bool // a mailbox of this package has done it
	found bool // there was a timer of that key
}

func callTimer(ctx Context, name string, call *timerCall) *timerCall {
	sys, self := ctx.ActorSystem(), ctx.Self()
	p, ok := sys.ProcessRegistry.Get(self)
	if !ok {
		return call // its Stopped handler runs: all timers have been stopped
	}
	p.SendSystemMessage(self, call)
	if !call.done {
		panic("actor: " + name + " in " + self.Id + ", which is no actor of this package; want one that was " +
			"spawned by actor.Spawn or actor.SpawnRoot, or from Props of actor.FromFunc or actor.FromProducer")
	}
	return call
}

// timer executes call.
func (m *mailbox) timer(call *timerCall) {
	call.done = true
	key := call.stop
	if call.start != nil {
		key = call.start.key
	}
	call.found = m.stopTimer(key)
	if call.start == nil || m.phase != open {
		return
	}
	r := m.more()
	if r.timers == nil {
		r.timers = make(map[string]*timer)
	}
	r.timers[key] = call.start
	m.arm(call.start, call.after)
}

func (m *mailbox) arm(t *timer, d time.Duration) {
	sys, self := m.sys, m.self
	t.clock = time.AfterFunc(d, func() { process.Notify(sys, self, t) })
}

func (m *mailbox) stopTimer(key string) bool {
	if m.rare == nil {
		return false
	}
	t, ok := m.rare.timers[key]
	if ok {
		t.clock.Stop()
		delete(m.rare.timers, key)
	}
	return ok
}

func (m *mailbox) stopTimers() {
	if m.rare == nil {
		return
	}
	for key := range m.rare.timers {
		m.stopTimer(key)
	}
}

// fired returns the message of a timer that has fired, or false if the timer was stopped or
// replaced meanwhile.
func (m *mailbox) fired(t *timer) (message any, ok bool) {
	if m.rare == nil || m.rare.timers[t.key] != t {
		return nil, false
	}
	if t.period == 0 {
		delete(m.rare.timers, t.key)
		return t.message, true
	}
	late := max(time.Since(t.due), 0)
	t.due = t.due.Add(late - late%t.period + t.period)
	m.arm(t, time.Until(t.due))
	return t.message, true
}
