package rabbitmq

import amqp "github.com/rabbitmq/amqp091-go"

// headerAcquired holds a quorum queue's count of the earlier deliveries of this copy of the
// message, from RabbitMQ 4.3 on.
const headerAcquired = "x-acquired-count"

// tally is how a queue counts the deliveries of a message that came back without a copy. The set is
// closed. In a first delivery there is nothing to count: a counter in it comes from its publisher.
type tally uint8

const (
	// tallyUnknown is that of a queue that was declared by others, and may be of any type. The
	// counter that only a quorum queue writes is used if it is there, otherwise the mark.
	tallyUnknown tally = iota

	// tallyMark is that of a classic queue: it marks a message as redelivered, once or often.
	tallyMark

	// tallyReturns is that of a quorum queue before 4.3: x-delivery-count counts every return.
	tallyReturns

	// tallyAcquired is that of a quorum queue from 4.3 on: x-acquired-count counts every return.
	// The other counter omits a delivery that the consumer timeout has ended.
	tallyAcquired

	// tallyBounded is that of a queue declared by others, on a server from 4.3 on. Other clients
	// may give deliveries back there, so only those that the server takes for failed count.
	tallyBounded
)

// tallyOf returns that of the queues of a config on a server.
func tallyOf(cfg Config, server serverVersion) tally {
	acquired := server.countsAcquired()
	switch {
	case cfg.Passive && acquired:
		return tallyBounded
	case cfg.Passive:
		return tallyUnknown
	case cfg.Type == Classic:
		return tallyMark
	case acquired:
		return tallyAcquired
	default:
		return tallyReturns
	}
}

// of returns the tally of a queue of others, whose type the server has told.
func (t tally) of(kind QueueType) tally {
	switch {
	case kind == Classic:
		return tallyMark
	case kind == Quorum && t == tallyUnknown:
		return tallyReturns
	default:
		return t
	}
}

// lost returns the number of earlier deliveries of this copy of a message that count as attempts.
// It reads no counter that the queue has not written itself.
func (t tally) lost(raw *amqp.Delivery) int {
	if !raw.Redelivered {
		return 0
	}
	failed, known := raw.Headers[headerCount]
	acquired, marked := raw.Headers[headerAcquired]
	switch t {
	case tallyMark:
		return 1
	case tallyReturns:
		return count(failed)
	case tallyAcquired:
		return count(acquired)
	case tallyBounded:
		if marked { // a quorum queue writes it over what the publisher wrote
			return min(count(failed), count(acquired))
		}
		return 1
	case tallyUnknown:
		if known {
			return count(failed)
		}
		return 1
	}
	return 0
}
