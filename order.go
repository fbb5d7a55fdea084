package gentask

import (
	"time"

	"github.com/gentask/gentask/queue"
)

// Order runs messages that belong together one after the other, in the order in which they arrive. Others are unaffected, however long
// they take. It reaches as far as this consumer does: of several nodes, one at a time may consume (a single active consumer), or each a queue
// of its own (a partition).
type Order struct {
	// Key says what a message belongs to; empty for nothing, and then it waits for nobody. Nil means that there is no order. It is called once
	// for each delivery, before it is lined up, must not change the message, and should be quick: nothing is received meanwhile. If it panics,
	// calls runtime.Goexit or doesn't return within a second, that is an error in the log, and the message has no key. See KeyHeader.
	Key func(queue.Message) string

	// Strict has later messages of a key wait until a failed one is settled for good: a Requeue, and a Release, are carried out here. The delivery
	// stays held, without a slot, and when the time is come it is run again as the next attempt; Config.MaxAttempts binds. Off, a failed
	// message goes back to the queue, and later ones overtake it.
	Strict bool

	// Hold is how long Strict may hold a delivery, from its receipt; when the next attempt would be later, the message is dead-lettered with a
	// HoldError. RabbitMQ closes the channel of whoever holds one for longer than its consumer_timeout, 30 min unless changed. Zero means
	// 20 min, -1 no limit.
	Hold time.Duration
}

// Fairness has what waits here started in turns, by key: a key with a thousand messages gets as many slots as one with ten. It reaches as far as
// the prefetch does: what is still in the queue waits for its turn there, so Prefetch is to be several times Concurrency.
type Fairness struct {
	// Key says whose turn a message takes; all with an empty key share one. Nil means no turns. It is called as Order.Key is.
	Key func(queue.Message) string
}

// KeyHeader is a key for Order, Fairness and the like: the value of a header; empty if a message has none of that name.
func KeyHeader(name string) func(queue.Message) string {
	return func(m queue.Message) string { return m.Headers[name] }
}

// defaultHold stays clear of RabbitMQ's consumer_timeout.
const defaultHold = 20 * time.Minute

func (o Order) hold() time.Duration { return or(o.Hold, defaultHold) }

func (o Order) check() error {
	switch {
	case o.Strict && o.Key == nil:
		return unfit("Key", "nil with Strict", "a function, for example KeyHeader(name)")
	case o.Hold < never:
		return unfit("Hold", o.Hold, "0 for 20m, -1 for no limit, or more")
	}
	return nil
}

func (Fairness) check() error { return nil }

// holds says whether a decision to give the delivery back is carried out here.
func (e *entry) holds(d Decision) bool {
	return e.cfg.Policy.Order.Strict && e.spot.order() != "" && (d.kind == decideRequeue || d.kind == decideRelease)
}

// limitHold makes a dead letter of a requeue that would be held for too long.
func (e *entry) limitHold(d Decision, reason error) (Decision, error) {
	hold := e.cfg.Policy.Order.hold()
	if d.kind != decideRequeue || hold == never || !e.holds(d) || time.Since(e.received)+d.after <= hold {
		return d, reason
	}
	reason = &HoldError{Attempt: e.attempt, Hold: hold, Err: reason}
	return DeadLetter(reason), reason
}

// keeps says whether e, which has its decision, stays held, to be run again here. A consumer that takes no work keeps nothing.
func (l *ledger) keeps(e *entry) bool {
	d, _ := e.verdict()
	return l.held.has(e) && e.holds(d) && (l.intake() && !l.dry || l.alone(e))
}

// releasePause is how long a delivery that was released in place waits at least: what it could not be run for may last.
const releasePause = 100 * time.Millisecond

// again lines the delivery of e up for its next attempt, at its place. The worker and the task of e are gone.
func (l *ledger) again(e *entry) {
	d, _ := e.verdict()
	next := newEntry(e.delivery, e.line, l.book, l.cfg)
	next.serial, next.received, next.attempt = e.serial, e.received, e.attempt
	wait := max(d.after, releasePause)
	if d.kind == decideRequeue {
		wait = d.after
		next.attempt++
	}
	l.held.drop(e)
	l.held.add(next)
	l.lineup.pushAgain(e, next, l.moved.Add(wait), l.moved)
	e.closed, e.inPlace, e.after = true, true, wait
	e.verb, _ = d.verb()
	l.conclude(e)
	l.tellOf(EventStart, next)
}
