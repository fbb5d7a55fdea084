package gentask

import (
	"time"

	"github.com/gentask/gentask/internal/memo"
)

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

// comebacks counts how often messages were given back without losing an attempt.
type comebacks struct{ *memo.Memo[identity, uint8] }

func newComebacks() comebacks { return comebacks{memo.New[identity, uint8](mostComebacks)} }

// another counts that a message is given back so, and returns how long it must wait.
func (c comebacks) another(message identity) time.Duration {
	n, _ := c.Get(message)
	c.Put(message, min(n, 100)+1)
	return comebackWait(n)
}

// settled forgets a message that does not come back.
func (c comebacks) settled(message identity) {
	if c.Len() > 0 {
		c.Drop(message)
	}
}

// comebackWait returns how long a message that has come back n times waits.
func comebackWait(n uint8) time.Duration {
	if n == 0 {
		return 0
	}
	return min(comebackBase<<min(n-1, 20), comebackMost)
}
