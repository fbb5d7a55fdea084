// Package embedded is the broker that needs nothing installed: a real JetStream server inside the process, with its files in a directory.
//
// Its queues are those of package nats, and keep the same promises. The server opens no port; only this process can use it, and no second
// broker can open the directory meanwhile, in this process or another.
//
// # What survives
//
// A confirmed message survives the death of the process, kill -9 included, because it has been handed to the operating system. A power cut
// can take the messages of at most the last Config.SyncInterval, 1 s by default; with Config.SyncAlways none that were confirmed, at the price
// of one fsync for each.
//
// What is written down a moment later is who has received and settled what: after a kill, a settlement of the last moment is forgotten, and its
// message delivered again, and a job that kills the process within a few hundred milliseconds of its start may not be counted as an attempt.
// What the killed process held comes back when its leases end (Config.Queues.Lease, 5 s by default).
package embedded
