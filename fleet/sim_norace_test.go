//go:build !race

package fleet_test

// simSeeds is how many seeds TestSimulation tries, unless GENTASK_SIM_SEEDS has another number.
const simSeeds = 1000

// simRepeats is how many seeds TestSimulationRepeats tries.
const simRepeats = 100
