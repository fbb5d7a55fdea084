// Package watermill makes a queue of gentask out of any Subscriber and Publisher of github.com/ThreeDotsLabs/watermill, so that Kafka, SQS,
// Google Pub/Sub, Redis streams, SQL and whatever else watermill speaks can be consumed.
//
// It is a module of its own. Where there is a driver for the broker, use that: watermill's interface says less than a broker does, and
// this is what falls to the adapter, or is lost:
//
//   - Attempts travel in the message's metadata, in queue.HeaderAttempts. A requeue publishes a copy that counts one more, and acknowledges
//     the original. A delivery that was lost with its connection or its process is not counted.
//   - A dead letter is a copy in Config.DeadTopic. There are no Letters: watermill can only subscribe, which takes them. Look with the broker's
//     own tools, and publish a copy without queue.HeaderAttempts to run one again.
//   - A release is a Nack: what that does, and how soon, is the subscriber's business.
//   - A delay needs Config.Delayed or Config.Hold. Without either Open says so: most subscribers know no delay.
//   - A message with a Priority or a UniqueKey is refused with queue.ErrUnsupported, and so is one with NotBefore without Config.Delayed. A release
//     that is put off is a copy, as a requeue with a delay is, that counts no attempt.
//   - The prefetch is a limit, and not a request. Most subscribers hand out one message for each subscription until that is settled, so a
//     session that is to hold more subscribes more often: Config.Subscriptions. What a subscriber fetches ahead is its own business; with several
//     subscriptions it should fetch one message for each, or the first would keep all from the others.
//   - Most subscribers reconnect by themselves and tell nobody. The session goes on then, a settlement of what was delivered before is lost
//     without an error, and the message comes again. A session is lost when a subscription ends, or when the subscriber gives up a message
//     that is held, which it says by ending the message's context.
//   - Settle waits until the subscriber ends the context of what is acknowledged, which watermill promises, for a second at
//     most. It does not say whether the broker has taken it.
package watermill
