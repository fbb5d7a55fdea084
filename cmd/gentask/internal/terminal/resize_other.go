//go:build !unix

package terminal

import "os"

// notifyResize does nothing: the system does not tell when the size has changed.
func notifyResize(chan<- os.Signal) {}
