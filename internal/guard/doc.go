// Package guard keeps user values from harming the node.
//
// An error is code: its Error, Unwrap, Is and As methods may panic, block, loop, or be called on a
// nil pointer. So are the methods of a panic value. [Seal] reads such an error once, at its source:
// in the guarded part of the goroutine that ran the user's code.
//
// All code behind that boundary reads the [SealedError], with [Is], [As], [Stack] and its Error
// method. It calls no method of such a value.
package guard
