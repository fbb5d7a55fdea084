package rig

import "github.com/gentask/gentask/queue"

// Spy returns a source under watch, and what has been seen that must never be.
func Spy(source queue.Source) (watched queue.Source, faults func() []error) {
	s := newSpy(source)
	return s, s.faults
}
