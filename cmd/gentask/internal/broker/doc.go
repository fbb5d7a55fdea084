// Package broker opens the broker that a URL names, as what the commands need of any of them.
//
// A command that only looks must change nothing. The drivers create a queue that is looked at, so
// this package first finds out whether there is one.
package broker
