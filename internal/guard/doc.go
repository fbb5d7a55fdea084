// Package guard keeps values of the user's from harming the node.
//
// An error is code: its Error, Unwrap, Is and As methods may panic, block, loop, or be called on a nil
// pointer. So are the methods of a panic value. [Seal] reads such an error once, where it comes from:
// in the guarded part of the goroutine that ran the user's code. Everything behind that boundary reads
// the [SealedError], with [Is], [As], [Stack] and its own Error method, and calls no method of the
// user's again.
package guard
