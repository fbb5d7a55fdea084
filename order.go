package gentask

import (
	"errors"
	"time"

	"github.com/gentask/gentask/internal/admission"
)

// Order runs messages that belong together one after the other, in the order in which they arrive. Others are unaffected, however long
// they take. It reaches as far as this consumer does: of several nodes, one at a time may consume (a single active consumer), or each a queue
// of its own (a partition).
type Order struct {
	// Key returns the ordering key. Messages with an empty key are unordered. Nil means that there is
	// no order.
	Key KeyFunc

	// Strict has later messages of a key wait until a failed one is settled for good: a Requeue, and a Release, are carried out here. The delivery
	// stays held, without a slot, and when the time is come it is run again as the next attempt; Retry.MaxAttempts binds. Off, a failed
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
	// Key returns whose turn a message takes; all with an empty key share one. Nil means no turns.
	Key KeyFunc
}

// defaultHold stays clear of RabbitMQ's consumer_timeout.
const defaultHold = 20 * time.Minute

func (o Order) hold() time.Duration { return or(o.Hold, defaultHold) }

func (o Order) check() error {
	return errors.Join(
		o.Key.check(),
		unfitIf(o.Strict && o.Key == nil, "Key", "nil with Strict", "a function, for example KeyHeader(name)"),
		unfitIf(o.Hold < never, "Hold", o.Hold, "0 for 20m, -1 for no limit, or more"))
}

func (f Fairness) check() error { return f.Key.check() }

// wait returns how long a delivery waits here for its next attempt.
func (d Decision) wait() time.Duration {
	if d.kind == decideRequeue {
		return d.after
	}
	return max(d.after, releasePause)
}

// releasePause is how long a delivery that was released in place waits at least: what it could not be run for may last.
const releasePause = admission.SoonestAgain
