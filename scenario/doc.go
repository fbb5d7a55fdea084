// Package scenario holds the promises of gentask to its users, as tests of its public API.
//
// A promise is a scenario with a number. Its tests are named TestScenario<number>_<Words>, and
// docs/scenarios.md lists them all, with those that other packages keep. Most run on the memory
// queue in virtual time, over package internal/rig, which checks after each scenario what must hold
// however a job ends. Files named *_servers_test.go hold the tests of real brokers.
//
// The package has no API.
package scenario
