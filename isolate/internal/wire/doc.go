// Package wire is what a pool and its child processes write to each other: frames over two pipes.
//
// A frame is its length in four bytes, its kind in one, the number of a call in four, and a body. A
// reader takes no frame that is longer than its limit, and reads nothing of it. The other side of a
// pipe may be broken in any way, so each body is read with bounds, and a wrong one is an error.
package wire
