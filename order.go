package gentask

import (
	"errors"
	"time"

	"github.com/gentask/gentask/internal/admission"
)

// Order runs messages with the same key one after the other, in the order in which they arrive.
// Other messages are unaffected, however long these take. The order holds within this consumer
// only. With several nodes, let one at a time consume (a single active consumer), or give each a
// queue of its own (a partition).
type Order struct {
	// Key returns the ordering key. Messages with an empty key are unordered. Nil means that there
	// is no order.
	Key KeyFunc

	// Strict makes later messages of a key wait until a failed one is settled for good: a [Requeue]
	// and a [Release] are carried out here. The delivery stays held, without a slot, and is run
	// again as the next attempt when its wait is over. [Retry.MaxAttempts] still applies. Off, a
	// failed message goes back to the queue, and later ones overtake it.
	Strict bool

	// Hold is how long Strict may hold a delivery, from its receipt. If the next attempt would be
	// later, a message that has failed is dead-lettered with a [*HoldError]. A message that is
	// snoozed or released then goes back to the queue, where later ones overtake it. Zero means 20
	// min, -1 no limit. RabbitMQ closes the channel of a consumer that holds a delivery for longer
	// than its consumer_timeout, 30 min by default.
	Hold time.Duration
}

// Fairness starts held messages in turns, by key: a key with a thousand messages gets as many slots
// as one with ten. It reaches as far as the prefetch does, because messages still in the queue wait
// for their turn there. [Config.Prefetch] should therefore be several times [Config.Concurrency].
type Fairness struct {
	// Key returns the key whose turn a message takes. Messages with an empty key share one. Nil
	// means no turns.
	Key KeyFunc
}

// defaultHold is below RabbitMQ's consumer_timeout.
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

// releasePause is the least wait of a delivery that was released in place, because the cause of the
// release may last.
const releasePause = admission.SoonestAgain
