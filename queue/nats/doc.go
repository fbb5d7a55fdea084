// Package nats is the driver for NATS JetStream: a queue is a durable work-queue stream, and every
// session competes for its messages.
//
// # Streams and consumers
//
// Queue "emails" is the stream "emails" on the subject "emails", with file storage and work-queue
// retention. It has one durable pull consumer named "gentask" that all sessions of all nodes share,
// because JetStream allows no second one on a work queue. Its MaxAckPending is unlimited. Each
// session limits itself to its own prefetch, by never requesting more messages than it has free
// slots.
//
// Dead letters go to the queue "emails-dead", a queue like any other: open it to run them again.
// Missing streams and consumers are created. The whole configuration of existing ones is compared.
// A property that could drop a message silently, or change a delivery, is refused with an error
// that shows the difference: see [MismatchError]. So is one that this version does not know.
//
// Suspects (Policy.IsolateSuspects of gentask) wait in the queue "emails-suspects", which is made
// when a session first asks for it. From then on, a requeue of that session is a copy.
//
// A stream may have more subjects than its queue's name. A message keeps its subject through
// retries, delays and a redrive.
//
// # Settlements
//
// Ack is +ACK. Requeue is -NAK, with its delay kept by the server; the next delivery is the next
// attempt. Release can't be a -NAK, because the server counts that as a delivery. Instead a copy is
// published, with the attempts used up so far, and after the server's confirm the original is
// acknowledged. So a release costs one publish, and the message goes to the end of the queue.
// DeadLetter publishes to the dead-letter queue, waits for the confirm, and then ends the original
// with +TERM. If the connection breaks between copy and acknowledgement, both may be delivered: at
// least once, never not at all.
//
// Settle returns after the server has read the settlements from the connection, with one round trip
// for the whole batch. They take effect at once and are on its disk shortly after. A server that is
// killed within that moment delivers the message again. With [Config.DoubleAck], Settle waits until
// the server has confirmed that it has applied them.
//
// # Leases
//
// The server can't distinguish a dead client from a slow one. Each delivery therefore has a lease
// (AckWait), 5 s by default, which the session renews for all deliveries that it holds. The
// deliveries of a lost session come back when their leases end, as the next attempt. Close releases
// the deliveries at once.
//
// A message that the server delivers again to the session that holds it, or that has just settled
// it for good, is not handed out a second time.
//
// # Versions of the server
//
// Use 2.10.16 or later. An earlier server makes mistakes when it finds only requests of a client
// that is gone, while a redelivery is due. It loses the redelivery until its lease ends, which
// costs an attempt. Before 2.10.14 it also delivers another message a second time, with the same
// count, so that a job runs twice. Cancel and Close make the server drop the requests, so that only
// a moment is left; a connection that breaks leaves them.
//
// # Changes to the queue
//
// A session checks its streams and consumer every 3 s. If a property is not valid any more, it ends
// with an error that describes the change, and the next session is refused. Another lease ends it
// too, and the next session accepts that. Limits of requests (max_batch, max_expires) are honoured
// as they change. A delivery without its body, which a consumer with headers_only gets, is
// recognized by itself.
//
// A request for messages that the server ends, because the leader or a limit has changed, is made
// again in the same session, so that jobs run on. A session ends at once when a right is withdrawn
// that it can't do without. A request that a cluster without a leader does not answer is sent
// again, so that a session opens as soon as there is one.
//
// While the consumer is paused at the server, a session is on standby: see [queue.Standby]. If its
// server is a lame duck, and the broker has several, a session receives nothing more, and ends when
// its last delivery is settled.
//
// # Durability
//
// A confirm means that the server has written the message. By default a server calls fsync every
// 2 minutes, so that a power cut can lose confirmed messages. Set its sync_interval to "always", or
// replicate. The server doesn't tell its clients which it is.
//
// # Message IDs
//
// [queue.Message.ID] is sent as Nats-Msg-Id. Two messages with one ID that are published within
// [Config.Duplicates], 2 minutes by default, are stored once. To use an ID for several messages in
// succession, set Config.Duplicates to -1. A dead letter can be published again at any time.
//
// A [queue.Message.UniqueKey] takes the place of the ID there. A server that restarts remembers
// only the IDs of messages that it still has. Therefore each key also leaves a record for the
// length of the window, in a stream called "emails-keys", which is created with the first key. A
// message with a key costs three round trips. The key is remembered even if the server restarts, or
// the first message is gone.
//
// # Properties
//
// [queue.Properties] are in headers, such as [queue.HeaderCorrelationID]. The reply subject of a
// message can't be one, because JetStream uses it for itself. A value that a header can't hold,
// such as a stack, is percent-escaped under a name that begins with gentask-esc-. The first line of
// a reason is in [queue.HeaderReason] as it is.
//
// # Delays
//
// A message with NotBefore goes to the queue at once. A session that gets it too early gives it
// back with the remaining delay, which the server keeps, and checks it again when it comes. It is
// never early, occupies no slot meanwhile, and no attempt is counted. A release with a delay is a
// copy of that kind. The server goes through all waiting messages whenever one is due, so a queue
// is good for thousands of delayed messages, and not for millions.
//
// JetStream has no priorities: it keeps the order of publishing.
//
// # Stores and buses
//
// [Broker.Store] keeps small records in a key-value bucket, and [Broker.Bus] asks the programs that
// are connected. Store "fleet" is the bucket "gentask_fleet". A key has "./" at its end there, so
// that one subject matches a record and those below it. See docs/drivers.md.
package nats
