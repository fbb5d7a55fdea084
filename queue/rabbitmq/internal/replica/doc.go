// Package replica is the state of a queue.Store that is kept as a log: each program reads the same
// entries in the same order, and applies them to a state of its own. Conditions are evaluated by
// each reader when it applies an entry, so all have the same result. Package rabbitmq reads and
// writes the log; this package has no connection, no goroutine and no clock of its own.
//
// A log is not kept for ever. From time to time a program writes a snapshot into it: a
// [KindBegin], the state as it was there in some [KindPart], and a [KindEnd]. Entries of others may
// come between. A reader that starts at a begin, or before it, has the state when it has read the
// end. So the broker may drop everything before the begin of a whole snapshot, and there is nothing
// to hand over. Each entry names the newest whole snapshot that its writer has seen, so that a new
// reader finds it from the end of the log.
package replica
