// Package breaker is the state machine of a breaker. It opens when most runs fail, lets one run
// probe after a while, and closes when that succeeds.
//
// It is pure: the caller passes the time, nothing waits, and nothing is locked. The ledger, which
// is single-threaded, owns each [Machine] and acts on a change of its state.
package breaker
