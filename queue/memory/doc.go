// Package memory is a queue inside the process: the broker of tests, and the executable specification of package queue.
//
// It delivers at least once, first in, first out, a higher priority before a lower one. A requeue at once goes to the tail, whatever is
// delayed to the tail when its time has come, a release to the head, each among its priority; what a session held and did not settle returns
// to the head, in the order in which it was delivered. Requeues and lost sessions count as attempts, releases do not.
//
// Everything that goes wrong with a real broker can be made to go wrong here, by Faults and by LoseSession and Stall. What happened can be
// asked: Stats counts, Held lists, Journal tells it step by step, and Check goes over the books. All randomness comes from Config.Seed, and
// all time from package time, so that a test in a synctest bubble is fast and repeats itself; such a queue is made in the bubble. The
// queue keeps no goroutine.
//
// Nothing is durable: what is in the queue ends with the process.
package memory
