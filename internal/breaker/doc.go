// Package breaker is the state machine of a breaker: it opens when most runs fail, lets one run probe after a while, and closes when that succeeds.
//
// It is pure: time is what the caller says, nothing waits, and nothing is locked. The ledger, which is single-threaded, owns each Machine and
// does what has to be done about a change of its state.
package breaker
