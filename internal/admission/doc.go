// Package admission holds what waits for a slot: the [Queue] of waiting deliveries, and the gates
// of the policies that may hold one of them back.
//
// Its machines are pure. They have no lock, no clock and no goroutine, and call no user code:
// the caller passes the time, asks for the next item to start, and reports what became of it. They
// belong to one goroutine at a time.
package admission
