//go:build race

package gentask

// simSeeds is how many seeds TestSimulation tries, and simAllSeeds how many
// TestSimulationEverything does, unless GENTASK_SIM_SEEDS has another number. Under the race
// detector each takes seven times as long; `make sim-check` tries them all without it.
const (
	simSeeds    = 250
	simAllSeeds = 100
)
