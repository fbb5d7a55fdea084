// Package schedule publishes messages periodically: once for each planned time, however many nodes run the same plans.
//
// There is no leader. Every node publishes every firing, with a Message.UniqueKey made of the
// plan's name and the planned time, and the broker enqueues the first and drops the others. So it
// takes a publisher that compares keys and can tell for how long: JetStream's, or the memory
// queue's (see queue.Deduplicator); RabbitMQ's is refused at once. The rest is as with any other
// job: a firing is a message in a queue, retried, dead-lettered and counted like one.
//
// # What is promised
//
// A planned time is enqueued at most once, if the clocks of the nodes agree within a tenth of the window for which the broker remembers keys. It is
// enqueued at least once if, from the planned time on and within that window, one node runs and reaches the broker. What is too late for that
// is given up, with an error in the log, rather than risked twice; see Plan.Missed for what was due while nobody ran. A longer window, such as
// a day, makes longer outages good; it is a property of the queue (nats.Config.Duplicates), and costs the server memory for each message of
// that time, so that plans deserve a queue of their own.
//
// # Clocks that are set
//
// A plan has a time zone, and its expression names what a clock on the wall shows there: dates and
// times of day, whatever the offset from UTC. When that offset changes:
//
//   - A time that the clock leaves out, because it is set forward, is as much later as the clock is
//     set: with clocks that go from 02:00 to 03:00, 02:30 is fired at 03:30, and where midnight does
//     not exist, 00:00 is fired at 01:00. The day counts that the expression names, even when the
//     moved time is on the next one. Two times that become one are fired once.
//   - A time that the clock shows twice, because it is set back, is fired the first time only.
//   - An expression that names all 24 hours (its hour is *) means each hour that passes, and not
//     certain times of the day. It is fired whenever the clock shows what it names: twice when
//     that is shown twice, and not at all when it is left out.
//
// In UTC, which is the default, none of this happens. Leap days are days like any other; a plan for
// the 31st has no firing in a month of 30 days.
//
// # Clocks that are wrong
//
// Each plan looks at the clock of its machine at least once a minute. After the clock was set back,
// the planned times that come again are fired again, except the very last one; the broker drops those
// whose keys it still remembers. After it was set forward, or the machine was suspended,
// what was left out is missed, as if no node had run (see [Plan.Missed]).
//
// # Publishers and loggers that misbehave
//
// A panic of the publisher is an error, and is tried again like any other. A call gets a context of a
// minute at most. When it has not returned 5 s after the end of that, the plan goes on
// without it; when four calls of a plan have not returned, it makes no other until one does. The log tells
// each time. Log lines are written by a goroutine of their own: a handler that panics or hangs loses
// lines, and the next one that is written tells how many.
package schedule
