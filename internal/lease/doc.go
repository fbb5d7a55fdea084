// Package lease lets the programs of a fleet hold things one at a time, by way of a [queue.Store].
//
// A program that holds anything keeps one lease, for all that it holds: a record that it renews.
// Each record of something held refers to the lease. If the lease is gone, or was not renewed for
// its time, everything that refers to it is void, and others may take it.
//
// No clocks are compared. A holder counts from before it sends a renewal, the others from after
// they have seen it, so for the holder its lease is over earlier than for the others. The fence
// does not depend on clocks at all: before others take what a silent program holds, they delete its
// lease at the revision that they saw, so that program can't renew it any more.
package lease
