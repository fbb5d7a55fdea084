// Package schedule publishes messages periodically: once for each planned time, however many nodes run the same plans.
//
// There is no leader. Every node publishes every firing, with a Message.UniqueKey made of the plan's name and the planned time, and the
// broker enqueues the first and drops the others. So it takes a publisher that compares keys and can tell for how long: JetStream's, or the
// memory queue's (see queue.Uniquer); RabbitMQ's is refused at once. The rest is as with any other job: a firing is a message in a queue, retried,
// dead-lettered and counted like one.
//
// # What is promised
//
// A planned time is enqueued at most once, if the clocks of the nodes agree within a tenth of the window for which the broker remembers keys. It is
// enqueued at least once if, from the planned time on and within that window, one node runs and reaches the broker. What is too late for that
// is given up, with an error in the log, rather than risked twice; see Plan.Missed for what was due while nobody ran. A longer window, such as
// a day, makes longer outages good; it is a property of the queue (nats.Config.Duplicates), and costs the server memory for each message of
// that time, so that plans deserve a queue of their own.
//
// # Summer time
//
// A plan has a time zone, and its expression means the clock on the wall there. When clocks go forward, a time that does not exist is as much
// later as they are set: 02:30 is fired at 03:30, and never left out. When they go back, a fixed time that exists twice, such as 02:30, is
// fired the first time only; an expression whose hour is * is fired in both hours, for it means every hour that passes. In UTC, which is the
// default, there is no such day.
package schedule
