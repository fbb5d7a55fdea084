package embedded

import (
	"fmt"
	"time"

	"github.com/gentask/gentask/queue"
)

// Sync is when messages are synced to the disk: [Always], or [Every] so often.
type Sync time.Duration

// Always syncs each message before it is confirmed, so that a power cut loses none that was
// confirmed. Publishers that wait at the same time share one fsync.
const Always Sync = 0

// Every syncs at intervals of d, which must be at least 10 ms. A power cut can lose the messages
// that were confirmed within the last interval.
func Every(d time.Duration) Sync {
	if d == 0 {
		return never
	}
	return Sync(d)
}

const (
	minSync = 10 * time.Millisecond

	// never is what Every returns for no interval, which must not be Always.
	never Sync = -1
)

// String returns "always", or "every" and the interval.
func (s Sync) String() string {
	if s == Always {
		return "always"
	}
	return "every " + time.Duration(s).String()
}

func (s Sync) check() error {
	if s == Always || time.Duration(s) >= minSync {
		return nil
	}
	return fmt.Errorf("embedded: %w: Config.Sync is %v, must be Always or Every of at least %v",
		queue.ErrConfig, s, minSync)
}
