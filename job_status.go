package gentask

import (
	"time"

	"github.com/gentask/gentask/actor"
)

// JobStatus describes one delivery that a consumer holds.
type JobStatus struct {
	ID      string
	Attempt int
	// Worker is the address of its worker; nil if it has none, or one made by Actor that has not asked for its task yet.
	Worker *actor.PID
	// Running says that it has a worker; the others wait for a slot, or for the broker to take their settlement.
	Running bool
	// Decision is what was decided; the zero Decision if nothing was.
	Decision Decision
	// Age is since the receipt, Active since it was given to a worker.
	Age, Active time.Duration
}
