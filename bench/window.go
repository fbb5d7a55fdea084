package main

import (
	"context"

	"github.com/gentask/gentask"
)

// window bounds what is published and has not run, inFlight at a time, the same for both sides.
type window struct {
	trial  *trial
	bodies [][]byte
	slots  chan struct{}
}

func newWindow(t *trial) *window {
	return &window{trial: t, bodies: t.tally.bodies(small), slots: make(chan struct{}, inFlight)}
}

// take waits for a slot.
func (w *window) take() { w.slots <- struct{}{} }

// ran notes that a job has run, and frees its slot.
func (w *window) ran(body []byte) {
	w.trial.tally.ran(body)
	<-w.slots
}

func (w *window) behavior() gentask.Behavior {
	return gentask.Handle(func(_ context.Context, body []byte) error {
		w.ran(body)
		return nil
	})
}
