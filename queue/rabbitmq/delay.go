package rabbitmq

import (
	"iter"
	"math/bits"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A delayed message waits in a queue of its own delay, whose messages expire into the work queue: in one queue for all delays a long one
// would hold up the short ones behind it. So that there are not as many queues as delays, a delay is rounded up to the next rung of a
// ladder, eight to each doubling.
const (
	// minRung is the shortest delay; what is shorter waits this long.
	minRung = 16 * time.Millisecond

	// maxRung is the longest delay that one queue keeps, within the 2^32 ms that the broker takes. A settlement with a longer one is delivered
	// after that, with the rest in Message.NotBefore.
	maxRung = 40 * 24 * time.Hour

	// lease is how long after its last declaration a delay queue takes messages: it lives for its delay longer, so that none is lost with it.
	lease = time.Hour

	// freshness is how long after its last declaration a delay queue is used without another one. What is left of the lease is for a
	// message that the broker is slow to take.
	freshness = 10 * time.Minute
)

// rung returns the shortest delay of the ladder that is no shorter than after: at most an eighth longer, and a millisecond, which the
// broker's clock may cut off.
func rung(after time.Duration) time.Duration {
	ms := uint64((after+time.Millisecond-1)/time.Millisecond) + 1
	ms = max(ms, uint64(minRung/time.Millisecond))
	step := uint64(1) << (bits.Len64(ms) - 4)
	return time.Duration((ms+step-1)/step*step) * time.Millisecond
}

// rungs yields the ladder, from below.
func rungs() iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		for r := minRung; r <= rung(maxRung); r = rung(r) {
			if !yield(r) {
				return
			}
		}
	}
}

// delayName is the name of the queue in which messages wait for delay.
func (q *Queue) delayName(delay time.Duration) string {
	ms := strconv.FormatInt(delay.Milliseconds(), 10)
	if q.broker.cfg.DelayPrefix != "" {
		return q.broker.cfg.DelayPrefix + q.name + "." + ms
	}
	return q.name + ".delay." + ms
}

// delayArgs make a queue whose messages go to the work queue after delay, and which vanishes when it is not used. On a quorum queue the
// way back is safe too: the message leaves it when the work queue has confirmed it.
func (q *Queue) delayArgs(delay time.Duration) amqp.Table {
	args := amqp.Table{
		"x-queue-type":              string(q.broker.cfg.Type),
		"x-message-ttl":             delay.Milliseconds(),
		"x-expires":                 (delay + lease).Milliseconds(),
		"x-dead-letter-exchange":    "",
		"x-dead-letter-routing-key": q.name,
	}
	if q.broker.cfg.Type == Quorum {
		args["x-dead-letter-strategy"] = "at-least-once"
		args["x-overflow"] = "reject-publish"
	}
	return args
}
