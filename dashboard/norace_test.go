//go:build !race

package dashboard_test

// slow is how much slower the race detector makes the machine.
const slow = 1
