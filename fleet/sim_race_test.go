//go:build race

package fleet_test

// simSeeds is how many seeds TestSimulation tries, unless GENTASK_SIM_SEEDS has another number.
// Under the race detector each takes seven times as long.
const simSeeds = 100

// simRepeats is how many seeds TestSimulationRepeats tries.
const simRepeats = 20
