// Package process holds what package actor shares with the processes beside it: supervisors, tasks,
// and the workers that are cells. Users of the library can't reach it.
//
// It has the queue of a mailbox, the place where turns run, and the messages that the mailboxes of
// this module understand.
package process
