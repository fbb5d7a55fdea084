package gentask

import "time"

// What is given back without losing an attempt comes again, and may be given back again, for ever. Below each
// such loop is a floor: the first time a message is there again at once, then after comebackBase, and each
// time after twice as long, up to comebackMost.
const (
	comebackBase = 100 * time.Millisecond
	comebackMost = time.Minute

	// mostComebacks is how many messages are remembered.
	mostComebacks = 50_000

	// manyAttempts is from which attempt on a requeue without a wait is taken for one of a loop: that is where
	// the default of Retry.MaxAttempts would have ended it.
	manyAttempts = 25
)

// comebackWait is how long a message waits that has come back n times.
func comebackWait(n uint8) time.Duration {
	if n == 0 {
		return 0
	}
	return min(comebackBase<<min(n-1, 20), comebackMost)
}
