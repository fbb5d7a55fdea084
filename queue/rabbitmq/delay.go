package rabbitmq

import (
	"iter"
	"math/bits"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A delayed message waits in a queue for its delay, whose messages expire into the work queue. In a
// single queue for all delays a long one would block the short ones behind it. To limit the number
// of queues, a delay is rounded up to the next rung of a ladder, with eight rungs for each
// doubling.
const (
	// minRung is the shortest delay; shorter ones are rounded up to it.
	minRung = 16 * time.Millisecond

	// maxRung is the longest delay of a queue, within the broker's limit of 2^32 ms. A settlement
	// with a longer one is delivered after maxRung, with the rest in Message.NotBefore.
	maxRung = 40 * 24 * time.Hour
)

// rung returns the shortest delay of the ladder that is not shorter than after. It is longer by an
// eighth at most, and a millisecond, which the broker's clock may cut off.
func rung(after time.Duration) time.Duration {
	ms := uint64((after+time.Millisecond-1)/time.Millisecond) + 1
	ms = max(ms, uint64(minRung/time.Millisecond))
	step := uint64(1) << (bits.Len64(ms) - 4)
	return time.Duration((ms+step-1)/step*step) * time.Millisecond
}

// rungs yields the ladder, the shortest first.
func rungs() iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		for r := minRung; r <= rung(maxRung); r = rung(r) {
			if !yield(r) {
				return
			}
		}
	}
}

// delayName returns the name of the queue in which messages wait for delay. It ends in the unit,
// because earlier versions had queues with other arguments, whose names don't.
func (q *Queue) delayName(delay time.Duration) string {
	ms := strconv.FormatInt(delay.Milliseconds(), 10) + "ms"
	if q.broker.cfg.DelayPrefix != "" {
		return q.broker.cfg.DelayPrefix + q.name + "." + ms
	}
	return q.name + ".delay." + ms
}

// delayArgs returns the arguments of a queue whose messages go to the work queue after delay. It is
// a quorum queue for every [Config.Type], because only that moves a message at least once: the
// message leaves it when the work queue has confirmed it. It never expires, because a message would
// be lost with it whose way back is blocked for long enough.
func (q *Queue) delayArgs(delay time.Duration) amqp.Table {
	return amqp.Table{
		"x-queue-type":              string(Quorum),
		"x-message-ttl":             delay.Milliseconds(),
		"x-dead-letter-exchange":    "",
		"x-dead-letter-routing-key": q.name,
		argStrategy:                 atLeastOnce,
		argOverflow:                 rejectPublish,
	}
}
