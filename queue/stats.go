package queue

import "context"

// CountUnknown is in place of a count of [Stats] that the driver can't get.
const CountUnknown = -1

// Stats are the counts of a queue at one moment, as its broker gives them. Each is exact, or
// [CountUnknown]. Ready and DeadLettered are never unknown.
type Stats struct {
	// Ready is how many messages could be delivered at once to a consumer with a free slot.
	Ready int

	// Delayed is how many messages wait for their time: requeued or released with a delay, or
	// published with NotBefore. The driver memory counts them. JetStream counts those that were
	// delivered before as Held, and the others as Ready; on RabbitMQ they lie in queues of their
	// own, which can't be listed.
	Delayed int

	// Held is how many deliveries are not settled, over all sessions. The drivers memory, nats and
	// embedded count them; RabbitMQ shows them to its management plug-in only.
	Held int

	// DeadLettered is how many letters lie in the dead-letter queue.
	DeadLettered int

	// Consumers is how many sessions consume, on all nodes, and with RabbitMQ consumers of others
	// too. JetStream does not count them.
	Consumers int
}

// Left returns how many messages are not done: the sum of Ready, Delayed and Held as far as they
// are known.
func (s Stats) Left() int { return max(s.Ready, 0) + max(s.Delayed, 0) + max(s.Held, 0) }

// Inspector is an optional capability of a [Source]: to count what its queue holds. The drivers
// memory, rabbitmq, nats and embedded have it.
type Inspector interface {
	// Inspect asks the broker how the queue stands. It takes nothing out of the queue, and honours
	// ctx. A settlement or publish of a moment ago may not be counted yet. A queue that does not
	// exist is made or is empty, unless the driver was told not to make it. It is safe for
	// concurrent use.
	Inspect(ctx context.Context) (Stats, error)
}
