// Package embedded is the broker that needs nothing installed: a real JetStream server inside the process, with its files in a directory.
//
// Its queues are those of package nats, and keep the same promises. The server opens no port; only this process can use it, and no second
// broker can open the directory meanwhile, in this process or another.
//
// # What survives
//
// A confirmed message survives the death of the process, kill -9 included, because it has been handed to the operating system. What the machine
// loses with its power are the messages of at most the last Config.SyncInterval, 1 s by default; with Config.SyncAlways none that were confirmed,
// at the price of one fsync for each. A settlement that was not on its way to the disk yet is forgotten, and its message delivered again.
package embedded
