//go:build unix

package terminal

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyResize lets c receive when the size of the terminal has changed.
func notifyResize(c chan<- os.Signal) { signal.Notify(c, syscall.SIGWINCH) }
