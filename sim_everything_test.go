package gentask

import "testing"

// TestSimulationEverything is TestSimulation with the policies: each is on or off, drawn from the
// seed, and for three seeds of ten every one of them is on. The queue has messages of all kinds,
// keys, delays, priorities and unique keys. Rate and concurrency are changed meanwhile, and another
// consumer takes places of the pool. All that holds without policies holds with them; what each one
// promises is kept; and however they stand in each other's way, everything is settled when the
// trouble is over.
func TestSimulationEverything(t *testing.T) { newSimLabOfAll(t).try(t, simAllSeeds) }

// TestSimulationEverythingRepeats: a seed is all that it depends on.
func TestSimulationEverythingRepeats(t *testing.T) { newSimLabOfAll(t).repeats(t) }

func newSimLabOfAll(t *testing.T) *simLab {
	t.Helper()
	lab := newSimLab(t)
	lab.all = true
	return lab
}
