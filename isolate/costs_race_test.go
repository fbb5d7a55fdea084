//go:build linux && race

package isolate_test

// wakeUps is how many wake-ups a job may have in TestCosts.
const wakeUps = 0.6
