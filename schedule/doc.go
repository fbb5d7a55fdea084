// Package schedule publishes messages periodically: once for each planned time, however many nodes
// run the same plans.
//
// There is no leader. Every node publishes every firing, with a [queue.Message.UniqueKey] made of
// the plan's name and the planned time. The broker enqueues the first and drops the others. So the
// publisher must compare keys, and report for how long: those of JetStream, PostgreSQL and the
// memory queue do (see queue.Deduplicator). RabbitMQ's does not, and is refused at once; one that
// fleet.Node.Unique makes of it does. A firing is a message like any other: it is retried,
// dead-lettered and counted.
//
// # Guarantees
//
// The broker remembers keys for a window. A planned time is enqueued at most once if the clocks of
// the nodes agree within a tenth of it.
//
// It is enqueued at least once if, from the planned time on and within that window, one node runs
// and reaches the broker. A firing that is too late for that is given up, with an error in the log,
// because it might come twice. See [Plan.Missed] for times that passed while no node ran.
//
// A longer window, such as a day, covers longer outages. It is a property of the queue
// (nats.Config.Duplicates), and costs the server memory for each message of that time. So plans
// should have a queue of their own.
//
// # Plans that change at run time
//
// [Plans] are kept in a [queue.Store], and changed there by any program, while nodes run or not.
// See [Config.Stored]. The store also has the planned time that was fired last, so that [Latest]
// makes good for a missed time however long ago it was.
//
// [Plans.RunNow] fires such a plan by hand, with the same promises.
//
// The promises above hold for them. A missed time that is older than the window may be fired twice
// if all nodes die between the broker's confirm and the note in the store.
//
// # Clocks that are set
//
// A plan has a time zone. Its expression names the dates and times of day of a clock on the wall
// there, at any offset from UTC. When that offset changes:
//
//   - A time that the clock leaves out, because it is set forward, is as much later as the clock is
//     set. If clocks go from 02:00 to 03:00, 02:30 is fired at 03:30; if midnight does not exist,
//     00:00 is fired at 01:00. The day counts that the expression names, even when the moved time
//     is on the next one. Two times that become one are fired once.
//   - A time that the clock shows twice, because it is set back, is fired the first time only.
//   - An expression that names all 24 hours (its hour is *) means each hour that passes, and not
//     certain times of the day. It is fired whenever the clock shows a time that it names: twice if
//     that is shown twice, never if it is left out.
//
// In UTC, which is the default, none of this happens. Leap days are days like any other; a plan for
// the 31st has no firing in a month of 30 days.
//
// # Clocks that are wrong
//
// Each plan looks at the clock of its machine at least once a minute. After the clock was set back,
// the planned times that come again are fired again, except the very last one. The broker drops
// those whose keys it still remembers. After the clock was set forward, or the machine was
// suspended, the times that were left out are missed: see [Plan.Missed].
//
// # Publishers and loggers that misbehave
//
// A panic of the publisher is an error, and is tried again like any other. A call gets a context of
// a minute at most. If it has not returned 5 s after the end of that, the plan goes on without it.
// While four calls of a plan have not returned, it makes no other. The log reports each time.
//
// Log lines are written by a goroutine of their own. A handler that panics or hangs loses lines,
// and the next line that is written has their number.
package schedule
