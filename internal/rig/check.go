package rig

import (
	"fmt"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
)

// Balanced checks I4 at a moment of rest: the broker, the spy and the ledgers agree on how many
// deliveries are unsettled.
func (r *Rig) Balanced() {
	r.Helper()
	var text string
	r.Eventually("broker and ledger agree", func() bool {
		spied, held := r.spy.counts().Held, 0
		for _, c := range r.nodes {
			held += c.Health().Held
		}
		at := r.heldAtBroker(held)
		text = fmt.Sprintf("broker %d, session %d, ledger %d", at, spied, held)
		return at == held && spied == held
	})
	r.Log("held:", text)
}

// heldAtBroker returns what the broker calls unacknowledged, or byDefault if it can't be asked.
func (r *Rig) heldAtBroker(byDefault int) int {
	if r.Held == nil {
		return byDefault
	}
	ctx, cancel := r.within()
	defer cancel()
	n, err := r.Held(ctx)
	require.NoError(r, err)
	return n
}

// finish stops what still runs, and checks everything.
func (r *Rig) finish() {
	r.Helper()
	for _, c := range r.nodes {
		r.Stop(c)
	}
	r.Balanced()
	for _, err := range r.spy.faults() {
		assert.NoError(r, err)
	}
	if r.Memory != nil {
		assert.NoError(r, r.Memory.Check())
		assert.Zero(r, r.Memory.Stats().Sessions, "sessions left open")
	}
	r.checkEvents()
	r.checkRuns()
	r.Eventually("no actor is left", func() bool { return len(r.pids()) <= r.actors })
	if r.Failed() {
		r.Logf("%+v; errors logged: %q", r.spy.counts(), r.logs.all())
	}
}

// delivery names one delivery as events do; after a release there is another of the same name.
type delivery struct {
	consumer, id string
	attempt      int
}

// checkEvents checks that every delivery is received once, started at most once and done once, in
// this order, and that nothing crashed.
func (r *Rig) checkEvents() {
	r.Helper()
	open, starts, again := map[delivery]int{}, 0, 0
	received, begun, ran := map[delivery]int{}, map[delivery]int{}, map[delivery]int{}
	for _, ev := range r.Events() {
		d := delivery{ev.Consumer, ev.ID, ev.Attempt}
		switch ev.Kind { // the others are no business of a delivery
		case gentask.EventReceived:
			open[d]++
			received[d]++
			starts++
		case gentask.EventStarted:
			begun[d]++
			assert.LessOrEqual(r, begun[d], received[d], "started twice, or not received: %+v", ev)
		case gentask.EventDone:
			if ev.Outcome != 0 {
				ran[d]++
			}
			assert.LessOrEqual(r, ran[d], begun[d], "it ran, and was not started: %+v", ev)
			open[d]--
			if ev.InPlace {
				again++
			}
			assert.GreaterOrEqual(r, open[d], 0, "an end event without a start: %+v", ev)
		case gentask.EventWorkersLost:
			assert.True(r, r.Allow.Crashes, "the worker supervisor ended: %v", ev.Reason)
		case gentask.EventHealed:
			assert.True(r, r.Allow.Healed, "the watchdog had to mend: %v", ev.Reason)
		case gentask.EventGaveUp:
			assert.True(r, r.Allow.GaveUp, "gave up: %v", ev.Reason)
		}
	}
	for d, n := range open {
		assert.Zero(r, n, "%+v: start events without an end", d)
	}
	if r.Memory != nil && r.Memory.Stats().Returned == 0 {
		assert.Equal(r, r.Memory.Stats().Delivered+again, starts, "start events")
	}
	if a := r.Allow; !a.Crashes && !a.Healed && !a.GaveUp && !a.Logged {
		assert.Empty(r, r.logs.all(), "logged as errors")
	}
}

func (r *Rig) checkRuns() {
	r.Helper()
	if !r.Allow.Overlaps {
		assert.Empty(r, r.Runs.Overlaps(), "ids of which two runs were seen at the same time")
	}
	if !r.Allow.Unfinished {
		assert.Zero(r, r.Runs.Now(), "runs that have not returned")
	}
}
