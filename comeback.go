package gentask

import "time"

// A message that is given back without losing an attempt comes again, possibly for ever. Each such
// loop is slowed down. The message comes again at once the first time, and then after comebackBase.
// Each further wait is twice as long, up to comebackMost.
const (
	comebackBase = 100 * time.Millisecond
	comebackMost = time.Minute

	// mostComebacks is how many messages are remembered.
	mostComebacks = 50_000

	// manyAttempts is the first attempt at which a requeue without a wait counts as part of a loop.
	// The default of Retry.MaxAttempts would have ended it there.
	manyAttempts = 25
)

// comebackWait returns how long a message that has come back n times waits.
func comebackWait(n uint8) time.Duration {
	if n == 0 {
		return 0
	}
	return min(comebackBase<<min(n-1, 20), comebackMost)
}
