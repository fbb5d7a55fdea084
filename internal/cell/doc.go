// Package cell has the two small actors that the library runs its own work in. A [Cell] is a
// mailbox with a handler, and a [Routine] is a goroutine with an address. Users of the library
// can't reach it; they meet the PIDs.
package cell
