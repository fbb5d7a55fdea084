// Package embedded is a broker without an installation: a real JetStream server inside the process,
// with its files in a directory.
//
// Its queues are those of package nats, with the same guarantees. The server opens no port, so only
// this process can use it. No second broker can open the directory meanwhile, in this process or
// another.
//
// # Durability
//
// A confirmed message survives the death of the process, kill -9 included, because it was handed to
// the operating system. A power cut can lose the messages of at most the last
// [Config.SyncInterval], 1 s by default. With [Config.SyncAlways] it loses none that were
// confirmed, at the price of one fsync for each.
//
// Deliveries and settlements are recorded a moment later. After a kill, settlements of the last
// moment may be forgotten, and their messages are delivered again. A job that kills the process
// within a few hundred milliseconds of its start may not be counted as an attempt. Deliveries that
// the killed process held come back when their leases end, after 5 s by default: see Lease in
// [nats.Config].
package embedded
