// Package rabbitmq is the driver for RabbitMQ, from 3.10 on: durable work queues with dead letters, delays that hold no prefetch slot, and
// confirmed publishing, on github.com/rabbitmq/amqp091-go.
//
//	broker, err := rabbitmq.New("amqp://guest:guest@localhost:5672/")
//	defer broker.Close()
//	emails := broker.Queue("emails") // a queue.Source and a queue.Publisher
//
// # At the broker
//
// A queue called emails is a durable quorum queue (or classic, see Config.Type), and emails.dead, of the same type, keeps its dead letters.
// Whatever the broker itself gives up ends there as well. A message that is requeued with a delay waits in emails.delay.<milliseconds>,
// which the driver declares when it is needed, and which vanishes an hour after it was last used. Delays are rounded up to eight steps for
// each doubling, at least 16 ms: a message comes back never early, and at most an eighth late. A message with NotBefore waits there too, up to
// 40 days. A queue that may be new is written down at the broker at once, for which emails.delay.0 comes and goes: RabbitMQ 3.10 forgets some that
// were made less than two seconds before it was killed. It also loses what it has confirmed of a quorum queue that was made half a second before;
// nothing a client does helps against that, and it holds for delay queues as for any other.
//
// With Config.MaxPriority the work queue has priorities: on classic queues, and on quorum queues from 4.3 on. RabbitMQ compares no messages, so
// one with a UniqueKey is refused.
//
// Each session has a connection of its own, and all publishing of a Broker shares another one, for a broker that is short of memory or disk
// stops reading from those who publish. Nothing here reconnects: the next Open or Publish does.
//
// # What a settlement does
//
//   - Ack: basic.ack. Acknowledgements are held for a millisecond at most, and those of a contiguous settled prefix go as one frame. One that has
//     overtaken others waits for them a little longer, ten milliseconds at most.
//   - Requeue: a copy with one more attempt used up is published to the end of the queue, or to a delay queue, and confirmed; then the original
//     is acknowledged.
//   - Release: the same with the attempts as they were. From RabbitMQ 4.3 on, on quorum queues: basic.nack, which counts nothing there.
//   - DeadLetter: a copy with reason, stack, attempts, queue and time is published to the dead-letter queue and confirmed; then the
//     original is acknowledged.
//
// A copy keeps body, headers with their types, and properties, but for time to live, user id, CC, and the broker's own records. When the
// connection breaks between the confirm and the acknowledgement, the message is there twice: delivery is at least once.
//
// # Attempts
//
// An attempt is counted by the header gentask-attempts of copies, plus what the broker counted for the copy at hand: a quorum queue counts each
// lost session (x-delivery-count), a classic queue only that there was one. Counters that somebody else wrote are clamped, not trusted.
package rabbitmq
