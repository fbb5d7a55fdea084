// Package memory is a queue inside the process: the broker of tests, and the executable
// specification of package queue.
//
// It delivers at least once, first in, first out, a higher priority before a lower one. Within its
// priority, a requeue at once goes to the tail, a delayed message to the tail when it is due, and a
// release to the head. Deliveries that a session held and did not settle return to the head, in the
// order in which they were delivered. Requeues and lost sessions count as attempts, releases do
// not.
//
// [Faults], [Queue.LoseSession] and [Queue.Stall] inject every failure of a real broker.
// [Queue.Stats], [Queue.Held] and [Queue.Journal] report what happened, and [Queue.Check] verifies
// it. All randomness comes from [Config.Seed], and all time from package time. A test in a synctest
// bubble is therefore fast and deterministic; it must create the queue inside the bubble. The queue
// keeps no goroutine.
//
// A [Broker] keeps stores and buses, for the nodes of a fleet inside one process.
//
// Nothing is durable: the messages are gone when the process ends.
package memory
