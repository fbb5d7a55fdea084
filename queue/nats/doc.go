// Package nats is the driver for NATS JetStream: a queue is a durable work-queue stream, and every session competes for its messages.
//
// # How a queue lies at the server
//
// Queue "emails" is the stream "emails" on the subject "emails", with file storage and work-queue retention, and one durable pull consumer
// named "gentask" that all sessions of all nodes share: JetStream allows no second one on a work queue. Its MaxAckPending is unlimited. Each
// session keeps to its own prefetch instead, by never asking for more messages than it has free slots. Dead letters go to the queue
// "emails-dead", a queue like any other: open it to run them again. What is missing is made; what is there with other properties is refused
// with an error that shows the difference.
//
// # What a settlement becomes
//
// Ack is +ACK. Requeue is -NAK, with its delay kept by the server; the next delivery is the next attempt. Release can't be a -NAK, because the
// server counts that as a delivery: a copy that carries the attempts used up so far is published, and when the server has confirmed it, the
// original is acknowledged. So a released message costs one publish and goes to the end of the queue. DeadLetter publishes to the dead-letter
// queue, waits for the confirm, and then ends the original with +TERM. If the connection breaks between copy and acknowledgement, both may
// be delivered: at least once, never not at all.
//
// Settle returns after the server has read the settlements from the connection (one round trip for the whole batch); they take effect at
// once and are on its disk shortly after. A server that is killed within that moment delivers the message again. With Config.DoubleAck, Settle
// waits until the server says that it has applied them.
//
// # Leases
//
// The server can't tell a dead client from a slow one, so each delivery has a lease (AckWait), 5 s by default, which the session renews for
// everything it holds. What a lost session held comes back when its lease ends, as the next attempt. Close gives back what it holds at once.
//
// A message that the server delivers again to the session that has it, or that has just settled it for good, is not handed out a second time.
//
// # Versions of the server
//
// Use 2.10.16 or later. An earlier server makes mistakes when it finds only requests of a client that is gone, while a redelivery is due: it
// loses the redelivery until its lease ends, which costs an attempt. Before 2.10.14 it also delivers another message a second time, with
// the same count, so that a job runs twice. Cancel and Close make the server forget the requests, which leaves a moment; a
// connection that breaks leaves them.
//
// # Changes by somebody else
//
// A session looks every 3 s whether its stream and consumer are still what a queue must be. When somebody has changed them it ends, and says what was
// changed: the next session takes what is allowed, such as another lease, and refuses the rest. It ends at once when a right is withdrawn. A
// question that a cluster without a leader does not answer is put again, so that a session is opened as soon as there is one.
//
// # Message ids
//
// Message.ID travels as Nats-Msg-Id: what is published twice with one ID within Config.Duplicates, 2 minutes by default, is stored once. An ID
// that is used for one message after the other wants Config.Duplicates -1. A dead letter can be published again at any time.
//
// A UniqueKey takes the ID's place there. A server that restarts remembers only the ids of messages that it still has, so each key also leaves a
// record for as long as the window, in a stream called "emails-keys", which is made with the first key: a message with a key costs three round
// trips, and holds whatever became of the server and of the first message.
//
// # Delays
//
// A message with NotBefore goes to the queue at once. The session that gets it too early gives it back with what is left of the delay, which the
// server keeps, and looks again when it comes: it is never early, holds no slot meanwhile, and no attempt is counted. A release that is put off
// is a copy of that kind. The server goes through everything that waits whenever something is due, so a queue is good for thousands of delayed
// messages, and not for millions.
//
// JetStream has no priorities: it keeps the order of publishing.
package nats
