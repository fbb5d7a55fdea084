package gentask

import (
	"time"

	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/internal/memo"
	"github.com/gentask/gentask/queue"
)

const (
	// refusedTries and refusedFor are how often, and for how long, a settlement is tried before the
	// delivery is returned. Both must be over: electing a leader takes a few seconds.
	refusedTries = 3
	refusedFor   = 5 * time.Second

	// retryMost bounds the wait between two of these tries.
	retryMost = 2 * time.Second

	// manyTries is a number of tries after which the back-off no longer grows, for any base.
	manyTries = 100

	// jamFor is how long the prefetch may be full of deliveries that can neither be settled nor
	// returned before the session is ended. It is doubled each time, up to jamMost.
	jamFor  = 30 * time.Second
	jamMost = 10 * time.Minute

	// mostStuck bounds the additional prefetch of the next session for such deliveries.
	mostStuck = 1000

	// mostReturned is how many returned messages a consumer remembers. A forgotten one runs again.
	mostReturned = 5_000

	// returnedFor is how long a message is remembered after it could be back.
	returnedFor = time.Hour

	// floorBase and floorMost bound how long a returned message waits before it is tried again. The
	// wait is doubled each time.
	floorBase = time.Second
	floorMost = 10 * time.Minute

	// crowdMost bounds that wait while such messages fill the prefetch.
	crowdMost = time.Minute
)

// floor returns how long to wait after the given return, from 1.
func floor(times int) time.Duration {
	return min(floorBase<<min(times-1, 20), floorMost)
}

// refusal is the state of a held delivery whose settlement was refused, now or the last time that
// it was held.
type refusal struct {
	since  time.Time // of the first refusal here
	tries  int
	reason error
	due    time.Time // when it is tried again, if it waits for its floor
	handed bool      // the driver has it
	known  *returnee // from an earlier return; nil if there was none
	noWay  bool      // the driver could not return it
	turned bool      // it is returned to make room for others, not for a new refusal
}

// returnee is the memory of a message whose delivery was returned to the broker, or lost, because
// its settlement was not taken.
type returnee struct {
	wish    Decision  // the decision
	reason  error     // of the decision
	refusal error     // why the settlement was not taken the last time
	attempt int       // of the next delivery, by the consumer's own count
	seen    int       // Attempt of the delivery that was returned
	lost    bool      // the last delivery was lost with its session
	times   int       // how often it was returned
	turns   int       // how often it was returned only to make room for others
	until   time.Time // the end of its floor
	due     time.Time // when the wish wants the next delivery; zero for at once
}

// attemptOf returns the attempt of a delivery. The loss of a session costs an attempt where the
// broker counts it; a return doesn't.
func (r *returnee) attemptOf(d *queue.Delivery) int {
	if r.lost {
		return min(r.attempt, d.Attempt)
	}
	return r.attempt
}

// refusals holds the deliveries whose settlement the broker has refused, and the memory of those
// that were returned. The memory outlives a ledger that crashes.
type refusals struct {
	of     map[*entry]*refusal // held and decided
	memory *memo.Memo[admission.Identity, *returnee]
	err    error     // the last refusal
	jammed time.Time // since when nothing in the prefetch can be settled or returned
	jams   int       // sessions in a row that were given up for that
	room   int       // the additional prefetch that the next session should have
}

func newRefusals() *refusals {
	return &refusals{
		of: map[*entry]*refusal{}, memory: memo.New[admission.Identity, *returnee](mostReturned),
	}
}

// reset forgets the deliveries that an earlier ledger held.
func (r *refusals) reset() {
	clear(r.of)
	r.err, r.jammed = nil, time.Time{}
}

// held returns how many deliveries are held although they are decided.
func (r *refusals) held() int { return len(r.of) }

// has reports whether e is one of them.
func (r *refusals) has(e *entry) bool { return r.of[e] != nil }

// any reports whether there is anything to check.
func (r *refusals) any() bool { return len(r.of) > 0 || r.memory.Len() > 0 }

// roomFor returns how much the prefetch of the next session must exceed Config.Prefetch. That is
// twice the number of deliveries that jammed a session last, as long as any of them is remembered.
func (r *refusals) roomFor() int {
	if r.memory.Len() == 0 {
		r.room = 0
	}
	return r.room
}

// about returns the refusal of e. It adds one if there is none.
func (r *refusals) about(e *entry, now time.Time) *refusal {
	one := r.of[e]
	if one == nil {
		one = &refusal{since: now, known: r.recalled(e, now)}
		r.of[e] = one
	}
	return one
}

// recalled returns the memory of a delivery that has come back; nil if there is none. It is nil,
// too, if another consumer had the message meanwhile.
func (r *refusals) recalled(e *entry, now time.Time) *returnee {
	if r.memory.Len() == 0 {
		return nil
	}
	one, known := r.memory.Get(e.item.Identity)
	if !known || e.delivery.Attempt > one.seen+1 || now.Sub(later(one.until, one.due)) > returnedFor {
		return nil
	}
	return one
}

// refused records that the broker has not taken the settlement of e. It reports whether the
// delivery should be returned instead. late is true if the driver's call was cut off.
func (r *refusals) refused(e *entry, reason error, late bool, now time.Time) (hopeless bool) {
	one := r.about(e, now)
	if late && now.Add(-link.SettleTimeout).Before(one.since) {
		one.since = now.Add(-link.SettleTimeout)
	}
	one.tries, one.reason, one.handed = one.tries+1, reason, false
	r.err = reason
	return one.hopeless(e, now)
}

// await keeps a delivery that has come back, and is decided, until its floor is over.
func (r *refusals) await(e *entry, known *returnee, until, now time.Time) {
	r.of[e] = &refusal{since: now, known: known, due: until, reason: known.refusal}
	r.err = known.refusal
}

// recall carries out the earlier decision about a delivery that has come back, without running it,
// or delays the delivery until its floor is over. It reports whether the entry is decided.
func (r *refusals) recall(e *entry, known *returnee) bool {
	now := time.Now()
	from, d := later(known.until, now), known.wish
	// It was published again, for example from the dead letters, or the driver can't detect
	// redelivery.
	if !e.delivery.Redelivered {
		e.item.Delay(from)
		return false
	}
	if d.kind != decideAck && d.kind != decideDeadLetter {
		rest := known.due.Sub(from)
		if rest < floorBase {
			e.item.Delay(from)
			return false
		}
		d = Snooze(rest)
	}
	if from.Equal(now) {
		_ = e.settle(d, known.reason) // it is undecided, as all deliveries that come
		return true
	}
	_ = e.decide(d, known.reason)
	e.sent = true
	r.await(e, known, from, now)
	return true
}

// hopeless reports whether the delivery of e should be returned.
func (r *refusal) hopeless(e *entry, now time.Time) bool {
	waited := now.Sub(r.since)
	switch {
	case r.times() > 0, r.noWay:
		return true
	case permanent(r.reason):
		// If it came back unrecognised, it would be run, refused and returned in a hot loop.
		return !e.delivery.Redelivered || waited >= floorBase
	}
	return r.tries >= refusedTries && waited >= refusedFor
}

// permanent reports whether it is pointless to try the same settlement again.
func permanent(err error) bool {
	return guard.Is(err, queue.ErrConfig) || guard.Is(err, queue.ErrUnsupported) || guard.Is(err, queue.ErrTooLarge)
}

// times returns how often the delivery was returned before.
func (r *refusal) times() int {
	if r.known == nil {
		return 0
	}
	return r.known.times
}

// tryAfter returns when to try a settlement again.
func (r *refusals) tryAfter(e *entry, delay func(times int) time.Duration) time.Duration {
	one := r.of[e]
	wait := delay(min(one.tries, manyTries))
	if !one.noWay {
		wait = min(wait, retryMost)
	}
	return wait
}

// hand records that the settlement of e goes to the driver, and reports whether it may. It must not
// if the driver has it already.
func (r *refusals) hand(e *entry) bool {
	one := r.of[e]
	if one == nil {
		return true
	}
	if one.handed {
		return false
	}
	one.handed, one.due = true, time.Time{}
	return true
}

// give records that the delivery of e is being returned, and returns the settlement for the driver.
// It is remembered first, because a broker may deliver it again before the driver has answered.
func (r *refusals) give(e *entry, now time.Time) queue.Settlement {
	one := r.about(e, now)
	one.handed, one.due = true, time.Time{}
	s := e.settlement()
	d, _ := e.verdict()
	if one.turned {
		s.After = max(one.known.until.Sub(now), 0)
	} else {
		s.After = max(floor(one.times()+1), d.after)
	}
	r.remember(e, one, now)
	return s
}

// remember keeps the decision about the delivery of e for its return.
func (r *refusals) remember(e *entry, one *refusal, now time.Time) *returnee {
	d, reason := e.verdict()
	kept := &returnee{
		wish: d, reason: reason, refusal: one.reason,
		attempt: e.item.Attempt, seen: e.delivery.Attempt, times: one.times(),
	}
	if d.kind == decideRequeue {
		kept.attempt++
	}
	if one.turned {
		kept.until, kept.due, kept.turns = one.known.until, one.known.due, one.known.turns+1
	} else {
		kept.times++
		kept.until, kept.due = now.Add(floor(kept.times)), now.Add(d.after)
	}
	r.memory.Put(e.item.Identity, kept)
	return kept
}

// notReturned records that the driver could not return the delivery of e. Settlement and return are
// both tried again.
func (r *refusals) notReturned(e *entry) {
	one := r.of[e]
	if one.known == nil {
		r.memory.Drop(e.item.Identity)
	} else {
		r.memory.Put(e.item.Identity, one.known)
	}
	one.noWay, one.turned, one.handed = true, false, false
}

// settled forgets a delivery that is settled. One that still waits for its floor and was given back
// unstarted is remembered.
func (r *refusals) settled(e *entry, how queue.Disposition) {
	if r.memory.Len() > 0 && (r.has(e) || how != queue.Release || e.wasStarted()) {
		r.memory.Drop(e.item.Identity)
	}
	delete(r.of, e)
	r.jams = 0
}

// lost forgets a delivery that is lost. The decision about it is remembered.
func (r *refusals) lost(e *entry, now time.Time) {
	one := r.of[e]
	if one == nil {
		return
	}
	one.turned = one.known != nil && one.tries == 0
	if e.decided() {
		kept := r.remember(e, one, now)
		kept.lost, kept.attempt, kept.times = true, e.item.Attempt+1, one.times()
		if !one.turned {
			kept.until = now
		}
	}
	delete(r.of, e)
}

// returned forgets a delivery that is back at the broker, and returns its refusal.
func (r *refusals) returned(e *entry) *refusal {
	one := r.of[e]
	delete(r.of, e)
	return one
}

// look returns the deliveries to try again because their floor is over, and those to return once
// more because others need a turn. The held ones must be in order. full is true if such deliveries
// fill the prefetch and nothing runs. jammed reports whether not even a return is possible.
func (r *refusals) look(held []*entry, full bool, now time.Time) (again, back []*entry, jammed bool) {
	noWay := 0
	for _, e := range held {
		one := r.of[e]
		switch {
		case one == nil:
		case one.noWay:
			noWay++
		case one.handed || one.due.IsZero():
		case !now.Before(one.due):
			again = append(again, e)
		case full && now.Sub(e.received) >= min(floor(one.known.turns+1), crowdMost):
			one.turned = true
			back = append(back, e)
		}
	}
	return again, back, full && noWay == len(held)
}

// jam records whether the prefetch is full of deliveries that can neither be settled nor returned.
// It reports whether the session must be ended for it, as the last resort, and less often each
// time.
func (r *refusals) jam(jammed bool, held int, now time.Time) (end bool) {
	switch {
	case !jammed:
		r.jammed = time.Time{}
	case r.jammed.IsZero():
		r.jammed = now
	case now.Sub(r.jammed) >= min(jamFor<<min(r.jams, 20), jamMost):
		r.jammed = time.Time{}
		r.jams++
		r.room = min(2*held, mostStuck)
		return true
	}
	return false
}

// waiting returns the deliveries that wait for their floor, and marks them as returned for others.
// It is called when the consumer drains.
func (r *refusals) waiting(held []*entry) []*entry {
	var back []*entry
	for _, e := range held {
		if one := r.of[e]; one != nil && !one.handed && !one.due.IsZero() {
			one.turned = true
			back = append(back, e)
		}
	}
	return back
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
