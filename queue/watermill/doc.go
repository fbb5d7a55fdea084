// Package watermill makes a queue of gentask from any Subscriber and Publisher of
// github.com/ThreeDotsLabs/watermill, such as those for Kafka, SQS, Google Pub/Sub, Redis streams
// and SQL.
//
// It is a module of its own. If there is a driver for the broker, use that, because watermill's
// interface exposes less than a broker does. The adapter differs from the drivers as follows:
//
//   - Attempts are in the message's metadata, under [queue.HeaderAttempts]. A requeue publishes a
//     copy with one more, and acknowledges the original. A delivery that was lost with its
//     connection or its process is not counted.
//   - A dead letter is a copy in [Config.DeadTopic]. There is no Letters: watermill can only
//     subscribe, which removes them. Use the broker's own tools to list them, and publish a copy
//     without queue.HeaderAttempts to run one again.
//   - A release is a Nack. The subscriber determines its effect and its delay.
//   - A delay needs [Config.Delayed] or [Config.Hold]. Without either Open returns [ErrNoDelay],
//     because most subscribers support no delay.
//   - A message with a Priority or a UniqueKey is refused with [queue.ErrUnsupported], and so is
//     one with NotBefore without Config.Delayed. A release with a delay is a copy, as a requeue
//     with a delay is, that counts no attempt.
//   - Properties are in the metadata, under the names of their headers, such as
//     [queue.HeaderReplyTo]. The correlation id is under correlation_id, where watermill's own
//     middleware has it.
//   - The prefetch is only a limit. Most subscribers hand out one message for each subscription
//     until that is settled. A session that should hold more needs more subscriptions:
//     [Config.Subscriptions]. With several, a subscriber should fetch one message for each, or the
//     first would keep all from the others.
//   - Most subscribers reconnect without notice. The session then continues, settlements of earlier
//     deliveries are lost without an error, and those messages come again. A session is lost when a
//     subscription ends, or when the subscriber ends the context of a message that is held.
//   - Settle waits until the subscriber ends the context of each acknowledged message, which
//     watermill promises, for a second at most. That does not mean that the broker has taken the
//     acknowledgement.
package watermill
