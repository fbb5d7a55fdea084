package gentask

import (
	"errors"
	"time"

	"github.com/gentask/gentask/internal/admission"
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

	// Hold is how long Strict may hold a delivery, from its receipt. When the next attempt would be later, a message that
	// has failed is dead-lettered with a HoldError, and one that is snoozed or released goes back to the queue, where later
	// ones overtake it. RabbitMQ closes the channel of a consumer that holds a delivery for longer than its consumer_timeout,
	// 30 min unless changed. Zero means 20 min, -1 no limit.
	Hold time.Duration
}

// Fairness has what waits here started in turns, by key: a key with a thousand messages gets as many slots as one with ten. It reaches as far as
// the prefetch does: what is still in the queue waits for its turn there, so Prefetch is to be several times Concurrency.
type Fairness struct {
	// Key says whose turn a message takes; all with an empty key share one. Nil means no turns. It is called as Order.Key is.
	Key func(queue.Message) string
}

// KeyHeader is a key for Order, Fairness and the like: the value of a header; empty if a message has none of that name. New refuses one without a
// name.
func KeyHeader(name string) func(queue.Message) string {
	if name == "" {
		return namelessKey
	}
	return func(m queue.Message) string { return m.Headers[name] }
}

// defaultHold stays clear of RabbitMQ's consumer_timeout.
const defaultHold = 20 * time.Minute

func (o Order) hold() time.Duration { return or(o.Hold, defaultHold) }

func (o Order) check() error {
	return errors.Join(
		checkKey(o.Key),
		unfitIf(o.Strict && o.Key == nil, "Key", "nil with Strict", "a function, for example KeyHeader(name)"),
		unfitIf(o.Hold < never, "Hold", o.Hold, "0 for 20m, -1 for no limit, or more"))
}

func (f Fairness) check() error { return checkKey(f.Key) }

// wait returns how long a delivery waits here for its next attempt.
func (d Decision) wait() time.Duration {
	if d.kind == decideRequeue {
		return d.after
	}
	return max(d.after, releasePause)
}

// releasePause is how long a delivery that was released in place waits at least: what it could not be run for may last.
const releasePause = admission.SoonestAgain
