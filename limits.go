package gentask

import (
	"strconv"
	"time"

	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/breaker"
	"github.com/gentask/gentask/queue"
)

// limits bounds how much may run, and remembers messages for that. It lasts as long as the consumer
// runs, and so outlives a ledger that crashes. A breaker stays open, and a crash does not refill a
// burst. It belongs to the goroutine of the ledger, of which there is one at a time.
type limits struct {
	fleetGates
	breaker     *admission.Breaker // nil when off, like the others
	keyBreaker  *admission.KeyBreaker
	rate        *admission.Rate
	keyRate     *admission.KeyRate
	adaptive    *admission.Adaptive
	suspects    *admission.Suspects
	share       *share
	concurrency int  // of the program: Config.Concurrency, or SetConcurrency
	programRate Rate // of the program: Policy.Rate, or SetRate
	overrides   *Overrides

	shared    sharedIDs
	refusals  *refusals
	comebacks comebacks
}

func newLimits(cfg *settings, unblock func()) *limits {
	p, random := &cfg.Policy, cfg.random
	l := &limits{
		concurrency: cfg.Concurrency, programRate: p.Rate, overrides: &Overrides{},
		refusals: newRefusals(), comebacks: newComebacks(),
	}
	if p.Breaker.on() {
		l.breaker = admission.NewBreaker(p.Breaker.machine(random))
	}
	if p.KeyBreaker.on() {
		l.keyBreaker = p.KeyBreaker.gate(random)
	}
	if p.Rate.on() {
		l.rate = admission.NewRate(p.Rate.limit())
	}
	if p.KeyRate.Key != nil {
		l.keyRate = admission.NewKeyRate(p.KeyRate.Rate.limit())
	}
	if p.Adaptive.on() {
		l.adaptive = admission.NewAdaptive(p.Adaptive.limiter(cfg.Concurrency))
	}
	if p.IsolateSuspects {
		l.suspects = admission.NewSuspects()
	}
	if p.Pool.Slots != nil {
		l.share = p.Pool.Slots.share(p.Pool.Weight, unblock)
	}
	return l
}

// reset forgets the items of an earlier ledger.
func (l *limits) reset() {
	if l.breaker != nil {
		l.breaker.Reset()
	}
	if l.keyBreaker != nil {
		l.keyBreaker.Reset()
	}
	if l.adaptive != nil {
		l.adaptive.Reset()
	}
	if l.suspects != nil {
		l.suspects.Reset()
	}
	if l.share != nil {
		l.share.begin()
	}
	l.refusals.reset()
}

// gates returns the gates in the order in which they are asked. The gates of keys come first, and
// then those that hold everything back. The gates of the fleet and of the pool, which reserve, are
// the last.
func (l *limits) gates() []admission.Gate {
	var gates []admission.Gate
	if l.keyBreaker != nil {
		gates = append(gates, l.keyBreaker)
	}
	if l.keyRate != nil {
		gates = append(gates, l.keyRate)
	}
	if l.suspects != nil {
		gates = append(gates, l.suspects)
	}
	if l.breaker != nil {
		gates = append(gates, l.breaker)
	}
	if l.adaptive != nil {
		gates = append(gates, l.adaptive)
	}
	if l.rate != nil {
		gates = append(gates, l.rate)
	}
	gates = append(gates, l.fleetGates.gates()...)
	if l.share != nil {
		gates = append(gates, l.share)
	}
	return gates
}

// ending keeps the slots of the pool and the units of the fleet until over is called: the tasks of
// an ending ledger still run.
func (l *limits) ending() {
	l.fleetGates.ending()
	if l.share != nil {
		l.share.ending()
	}
}

// over is called when the ledger's tasks are gone, however it ended.
func (l *limits) over() {
	if l.share != nil {
		l.share.reset()
	}
	l.fleetGates.over()
}

// rest ends a turn of the ledger. So many deliveries wait for a start.
func (l *limits) rest(waiting int) {
	if l.share != nil {
		l.share.rest()
	}
	l.fleetGates.rest(waiting, l.slots())
}

// setConcurrency changes how many jobs may run at a time, as far as the program is concerned.
func (l *limits) setConcurrency(n int) {
	l.concurrency = n
	l.widen()
}

// widen makes Policy.Adaptive follow the number of slots.
func (l *limits) widen() {
	if l.adaptive != nil {
		l.adaptive.SetMax(l.slots())
	}
}

// setRate changes the rate of the program, or that of each key. It may add a gate.
func (l *limits) setRate(r Rate, ofKeys bool, now time.Time) {
	if ofKeys {
		l.keyRate.Set(r.limit(), now)
		return
	}
	l.programRate = r
	l.followRate(now)
}

// followRate makes the gate follow the rate in force. It adds one if there is none.
func (l *limits) followRate(now time.Time) {
	r := l.rateNow()
	switch {
	case l.rate != nil:
		l.rate.Set(r.limit(), now)
	case r.on():
		l.rate = admission.NewRate(r.limit())
	}
}

// override replaces the overrides, and returns what has changed. It may add a gate.
func (l *limits) override(o *Overrides, now time.Time) []OverrideChange {
	changes := o.since(l.overrides)
	l.overrides = o
	for i := range changes {
		switch changes[i].Kind {
		case OverrideConcurrency:
			l.widen()
		case OverrideRate:
			l.followRate(now)
		case OverrideBreakerReset:
			l.resetBreakers(now)
		case OverridePaused, OverrideBreakerOpen, OverrideDrained, OverrideCancelled: // they are looked at
		}
	}
	return changes
}

// resetBreakers closes all breakers, for an operator who has set a value.
func (l *limits) resetBreakers(now time.Time) {
	if l.overrides.BreakerReset.Value == 0 {
		return
	}
	if l.breaker != nil {
		l.breaker.Close(now)
	}
	if l.keyBreaker != nil {
		l.keyBreaker.Close(now)
	}
}

// slots returns how many jobs may run at a time, as set by the operator or the program.
func (l *limits) slots() int { return l.overrides.concurrency(l.concurrency) }

// rateNow returns the rate in force, as set by the operator or the program.
func (l *limits) rateNow() Rate { return l.overrides.rate(l.programRate) }

// width returns how many jobs may run at a time.
func (l *limits) width() int {
	if l.adaptive == nil {
		return l.slots()
	}
	return min(l.slots(), l.adaptive.Limit())
}

// suspect completes the item of a delivery that has come, and counts its attempts as the place for
// suspects requires. It reports whether the delivery must be moved there.
func (l *limits) suspect(e *entry) (moves bool) {
	if l.suspects == nil {
		return false
	}
	e.item.Isolated = e.delivery.Isolated
	if used, marked := e.delivery.Headers[queue.HeaderSuspect]; marked || e.item.Isolated {
		e.item.Marked = true
		if n, err := strconv.ParseInt(used, 10, 32); err == nil && n >= 0 {
			e.item.Used = int32(n)
		}
	}
	if !l.suspects.Suspected(&e.item) || !e.link.Isolates() {
		return false
	}
	e.item.Attempt = l.suspects.AttemptOf(&e.item)
	return !e.item.Isolated
}

// suspectBusy reports whether a suspect is due or at work.
func (l *limits) suspectBusy() bool { return l.suspects != nil && l.suspects.Busy() }

// suspectDue returns the suspect that waits until nothing else is held; nil if there is none.
func (l *limits) suspectDue() *admission.Item {
	if l.suspects == nil {
		return nil
	}
	return l.suspects.Due()
}

// sessionClosed forgets what was asked in a session that is over.
func (l *limits) sessionClosed() {
	if l.suspects != nil {
		l.suspects.Place.Closed()
	}
}

// isSuspect reports whether e is a suspect at work.
func (l *limits) isSuspect(e *entry) bool { return l.suspects != nil && l.suspects.Alone() == &e.item }

// breakerState returns the state of the consumer's breaker; closed if it has none. One that an
// operator keeps open is open.
func (l *limits) breakerState() breaker.State {
	switch {
	case l.overrides.BreakerOpen.Value:
		return breaker.Open
	case l.breaker == nil:
		return breaker.Closed
	}
	return l.breaker.State()
}

// breakerProbes reports whether the breaker is open, and closes by itself.
func (l *limits) breakerProbes() bool { return l.breakerOpen() && !l.overrides.BreakerOpen.Value }

func (l *limits) breakerOpen() bool { return l.breakerState() == breaker.Open }

// breakerChanges returns the changes of all breakers since the last call.
func (l *limits) breakerChanges() []admission.Change {
	var changes []admission.Change
	if l.breaker != nil {
		changes = l.breaker.Changes()
	}
	if l.keyBreaker != nil {
		changes = append(changes, l.keyBreaker.Changes()...)
	}
	return changes
}

// keyBreakers returns how many breakers of keys are not closed.
func (l *limits) keyBreakers() int {
	if l.keyBreaker == nil {
		return 0
	}
	return l.keyBreaker.Down()
}

// mostBreakers is how many breakers of keys Health lists.
const mostBreakers = 100

// breakers describes the breakers that are not closed.
func (l *limits) breakers() []BreakerHealth {
	var all []BreakerHealth
	switch {
	case l.overrides.BreakerOpen.Value:
		all = append(all, BreakerHealth{Forced: true})
	case l.breakerState() != breaker.Closed:
		all = append(all, healthOf("", &l.breaker.Circuit))
	}
	if l.keyBreaker != nil {
		l.keyBreaker.FirstDown(mostBreakers, func(key string, c *admission.Circuit) {
			all = append(all, healthOf(key, c))
		})
	}
	return all
}
