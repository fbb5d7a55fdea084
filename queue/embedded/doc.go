// Package embedded is a broker without an installation: a real JetStream server inside the process,
// with its files in a directory.
//
// By default a message that is confirmed is on the disk: it survives a power cut. [Config.Sync]
// chooses between that, [Always], and [Every], which loses the messages of the last interval in a
// power cut. Either survives the death of the process, kill -9 included.
//
// Its queues are those of package nats, with the same guarantees. The server opens no port, so only
// this process can use it. No second broker can open the directory meanwhile, in this process or
// another.
//
// # Durability
//
// The server can sync each message by itself, one after the other. The broker does it in its place:
// all publishers of a queue that wait at the same time share one fsync. A single publisher waits
// for one fsync with each Publish, of any number of messages.
//
// Messages and copies are synced: retries, releases and dead letters before their originals
// are removed. Settlements and deliveries are recorded a moment later. After a kill or a power cut,
// settlements of the last moment may be forgotten, and their messages are delivered again. A job
// that kills the process within a few hundred milliseconds of its start may not be counted as an
// attempt. Deliveries that the killed process held come back when their leases end, after 5 s by
// default: see Lease in [nats.Config]. If a power cut leaves the counts of deliveries half written,
// they are removed, and the attempts of messages that were delivered before start again.
//
// The server rewrites a file of which more than half is settled. The new file replaces the old one
// up to a second before it is synced. A power cut in that time can lose its messages on a file
// system that writes a rename before the data. Ext4 and Btrfs don't, in their default modes.
//
// # Disk full
//
// The files can't be written if the disk is full, a quota is used up, or the directory is gone or
// read-only. Then publishes and Opens fail at once with [ErrStorage], and sessions are lost with
// it, so that the health of their consumers shows it. [Broker.Err] returns it too. The broker tries
// several times a second whether a message of the largest size (1 MiB) can be written. As soon as
// it can, the broker continues with what is on the disk, and consumers reconnect by themselves.
// Jobs that ran meanwhile are delivered again.
//
// If the directory was removed, or replaced by another, the error also wraps [ErrRemoved]. The
// broker continues only when the same directory is back.
package embedded
