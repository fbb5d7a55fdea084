//go:build !race

package gentask

// simSeeds is how many seeds TestSimulation tries, and simAllSeeds how many
// TestSimulationEverything does, unless GENTASK_SIM_SEEDS has another number.
const (
	simSeeds    = 1000
	simAllSeeds = 400
)
