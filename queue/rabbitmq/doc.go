// Package rabbitmq is the driver for RabbitMQ, from 3.10 on: durable work queues with dead letters,
// delays that occupy no prefetch slot, and confirmed publishing. It uses
// github.com/rabbitmq/amqp091-go. It is tested on 3.10, 4.0 and 4.3, and reads the server's version
// instead of trying what it accepts.
//
//	broker, err := rabbitmq.New("amqp://guest:guest@localhost:5672/")
//	defer broker.Close()
//	emails := broker.Queue("emails") // a queue.Source and a queue.Publisher
//
// # Queues
//
// A queue called emails is a durable quorum queue (or classic, see [Config.Type]). Its dead
// letters, and the messages that the broker itself gives up, go to emails.dead, which has the same
// type. With [Config.MaxPriority] the work queue has priorities: on classic queues, and on quorum
// queues from 4.3 on. RabbitMQ compares no messages, so one with a UniqueKey is refused.
//
// A message that is requeued with a delay waits in emails.delay.<milliseconds>ms. The driver
// declares that queue when it is needed. It is a quorum queue, also for a classic work queue, and
// never expires: the message leaves it when the work queue has confirmed it. Delays are rounded up
// to eight steps for each doubling, at least 16 ms. A message never comes back early, and at most
// an eighth of its delay late. A message with NotBefore waits there too, up to 40 days.
//
// Suspects (Policy.IsolateSuspects of gentask) wait in emails.suspects, a quorum queue for every
// type. It is declared when a session first asks for it. A message that stays there for a day goes
// back to the work queue.
//
// RabbitMQ before 4.3 forgets some queues that were declared less than two seconds before it was
// killed. The driver makes it write down a queue that may be new at once, for which
// emails.delay.0ms is
// declared and deleted. The broker also loses confirmed messages of a quorum queue that was
// declared half a second before. No client can prevent that, and it applies to delay queues as to
// any other.
//
// Each session has its own connection. All publishing of a [Broker] shares another one, because a
// broker that is short of memory or disk stops reading from publishers. No connection reconnects:
// the next Open or Publish makes a new one.
//
// # Stores and buses
//
// [Broker.Bus] and [Broker.Store] carry a fleet (package fleet). A bus is a direct exchange, with
// an exclusive queue for each program that answers. A store is a stream, which each program reads
// as a log and has in memory: it takes 8 MiB of records, and each read is a round trip.
//
// # Settlements
//
//   - Ack: basic.ack. Acknowledgements are delayed by a millisecond at most, and those of a
//     contiguous settled prefix are sent as one frame. One that has overtaken others waits for them
//     a little longer, ten milliseconds at most.
//   - Requeue: a copy with one more attempt used up is published to the end of the queue, or to a
//     delay queue, and confirmed. Then the original is acknowledged.
//   - Release: the same, with the attempts unchanged.
//   - DeadLetter: a copy with reason, stack, attempts, queue and time is published to the
//     dead-letter queue and confirmed. Then the original is acknowledged.
//
// A copy keeps body, headers with their types, and properties, except user id, CC, and the broker's
// own records. Time to live, exchange and routing key of the original go into headers, which the
// driver reads as [queue.Properties]. If the connection breaks between the confirm and the
// acknowledgement, the message is there twice: delivery is at least once.
//
// # Attempts
//
// The attempts are those in the header gentask-attempts of copies, plus the broker's count for the
// present copy. A quorum queue counts each delivery that came back: x-delivery-count, from 4.3 on
// x-acquired-count. So a lost session counts, a consumer timeout, and another client that gives the
// message back. A classic queue only records that there was one. From 4.3 on it may also mark a
// message that comes from a delay queue after the broker was killed, which then is attempt 2.
//
// With Config.Passive others may use the queue, too. From 4.3 on only failed deliveries count
// there, and a consumer timeout does not. Counters from other programs are not trusted, but
// limited.
package rabbitmq
