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
	// delivery is returned. Both must be over: a leader that is being elected is back within seconds.
	refusedTries = 3
	refusedFor   = 5 * time.Second

	// retryMost bounds the wait between two of these tries.
	retryMost = 2 * time.Second

	// manyTries is where the back-off is at its longest, for any base.
	manyTries = 100

	// jamFor is how long the prefetch may be full of deliveries that can neither be settled nor returned,
	// until the session is ended. It is doubled each time, up to jamMost.
	jamFor  = 30 * time.Second
	jamMost = 10 * time.Minute

	// mostStuck is the most of such deliveries that the next session makes room for beside its prefetch.
	mostStuck = 1000

	// mostReturned is how many returned messages a consumer remembers. One that is forgotten runs again.
	mostReturned = 5_000

	// returnedFor is how long one is remembered after it could be back.
	returnedFor = time.Hour

	// floorBase and floorMost bound how long a returned message waits before it is tried again. The wait is
	// doubled each time.
	floorBase = time.Second
	floorMost = 10 * time.Minute

	// crowdMost bounds it while such messages fill the prefetch.
	crowdMost = time.Minute
)

// ErrJammed is the reason of a session that was given up because the prefetch was full of deliveries
// that could neither be settled nor returned.

// floor returns how long to wait after the given return, from 1.
func floor(times int) time.Duration {
	if times == 0 {
		return 0
	}
	return min(floorBase<<min(times-1, 20), floorMost)
}

// refusal is what is known of a held delivery whose settlement was refused, or was refused the last time
// that it was held.
type refusal struct {
	since  time.Time // of the first refusal here
	tries  int
	reason error
	due    time.Time // when it is tried again, for one that waits for its floor
	handed bool      // it is with the driver
	known  *returnee // it was returned before; nil if not
	noWay  bool      // the driver could not return it
	turned bool      // it is returned to make room for others, not for a new refusal
}

// returnee is what is remembered of a message whose delivery was returned to the broker, or lost, because
// its settlement was not taken.
type returnee struct {
	wish    Decision  // that was taken
	reason  error     // of the decision
	refusal error     // why it was not taken the last time
	attempt int       // of the next delivery, by our own count
	seen    int       // Attempt of the delivery that was returned
	lost    bool      // with its session, the last time
	times   int       // how often it was returned
	turns   int       // how often besides, only to make room for others
	until   time.Time // not to be tried again before
	due     time.Time // when the wish wanted the next delivery; zero for at once
}

// attemptOf returns which attempt a delivery is. Unlike a return, the loss of a session costs one where
// the broker counts it.
func (r *returnee) attemptOf(d *queue.Delivery) int {
	if r.lost {
		return min(r.attempt, d.Attempt)
	}
	return r.attempt
}

// refusals are the deliveries whose settlement the broker has refused: those that are held, and what is
// remembered of those that were returned. The memory outlives a ledger that crashes.
type refusals struct {
	of     map[*entry]*refusal // held, and decided
	memory *memo.Memo[admission.Identity, *returnee]
	err    error     // the last refusal
	jammed time.Time // since when the prefetch has been full of what can't be settled or returned
	jams   int       // sessions in a row that were given up for that
	room   int       // for how many more the next session is to have room, beside what others need
}

func newRefusals() *refusals {
	return &refusals{
		of: map[*entry]*refusal{}, memory: memo.New[admission.Identity, *returnee](mostReturned),
	}
}

// reset forgets what an earlier ledger has held.
func (r *refusals) reset() {
	clear(r.of)
	r.err, r.jammed = nil, time.Time{}
}

// held returns how many deliveries are held although they are decided.
func (r *refusals) held() int { return len(r.of) }

// has reports whether e is one of them.
func (r *refusals) has(e *entry) bool { return r.of[e] != nil }

// any reports whether there is anything to look at.
func (r *refusals) any() bool { return len(r.of) > 0 || r.memory.Len() > 0 }

// roomFor returns how much larger than Config.Prefetch that of the next session must be: twice what had
// filled the last one that was jammed, as long as any of it is remembered.
func (r *refusals) roomFor() int {
	if r.memory.Len() == 0 {
		r.room = 0
	}
	return r.room
}

// about returns the refusal of e, a new one if there is none.
func (r *refusals) about(e *entry, now time.Time) *refusal {
	one := r.of[e]
	if one == nil {
		one = &refusal{since: now, known: r.recalled(e, now)}
		r.of[e] = one
	}
	return one
}

// recalled returns what is known of a delivery that has come back; nil as a rule. A message that others
// have had meanwhile is none of those.
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

// refused notes that the broker has not taken the settlement of e, and reports whether its delivery
// should be returned instead. late is true if the driver's call was cut.
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
func (r *refusals) await(e *entry, until time.Time, refusal error, now time.Time) {
	one := r.about(e, now)
	one.due, one.reason = until, refusal
	r.err = refusal
}

// hopeless reports whether it is time to return the delivery of e.
func (r *refusal) hopeless(e *entry, now time.Time) bool {
	waited := now.Sub(r.since)
	switch {
	case r.times() > 0, r.noWay:
		return true
	case permanent(r.reason):
		// One that comes back without being recognised would be run, refused and returned in a hot loop.
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

// hand notes that the settlement of e goes to the driver, and reports whether it may: it must not if it is
// there already.
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

// give notes that the delivery of e is being returned, and returns what to ask of the driver. It is
// remembered before: a broker may deliver it again before the driver has answered.
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

// remember keeps what was decided about the delivery of e, for when it comes back.
func (r *refusals) remember(e *entry, one *refusal, now time.Time) *returnee {
	d, reason := e.verdict()
	kept := &returnee{
		wish: d, reason: reason, refusal: one.reason, attempt: e.item.Attempt, seen: e.delivery.Attempt, times: one.times(),
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

// notReturned notes that the driver could not return the delivery of e. Both, the settlement and the
// return, are tried on.
func (r *refusals) notReturned(e *entry) {
	one := r.of[e]
	if one.known == nil {
		r.memory.Drop(e.item.Identity)
	} else {
		r.memory.Put(e.item.Identity, one.known)
	}
	one.noWay, one.turned, one.handed = true, false, false
}

// settled forgets a delivery that is settled, unless it waits for its floor still and was given back
// unstarted.
func (r *refusals) settled(e *entry, how queue.Disposition) {
	if r.memory.Len() > 0 && (r.has(e) || how != queue.Release || e.wasStarted()) {
		r.memory.Drop(e.item.Identity)
	}
	delete(r.of, e)
	r.jams = 0
}

// lost is settled for a delivery that is lost: what was decided about it is remembered.
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

// returned takes out a delivery that is back at the broker, and returns what was known of it.
func (r *refusals) returned(e *entry) *refusal {
	one := r.of[e]
	delete(r.of, e)
	return one
}

// look goes through what is held, in its order. It returns what is to be tried again, because its floor
// is over, and what is to be returned once more so that others get their turn: full says that such
// deliveries fill the prefetch and nothing runs. jammed reports whether not even that is possible.
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

// jam notes whether the prefetch is full of what can neither be settled nor returned, and reports whether
// the session should be ended for it: the last resort, and less and less often.
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

// waiting returns what waits for its floor, and marks it as returned for others, for a consumer that
// drains.
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
