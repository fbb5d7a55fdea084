package gentask

import (
	"time"

	"github.com/gentask/gentask/actor"
)

// JobStatus describes one delivery that a consumer holds.
type JobStatus struct {
	ID      string
	Attempt int
	// Worker is the address of its worker. It is nil without a worker, and for one made by [Actor]
	// that has not started its task yet.
	Worker *actor.PID
	// Running reports whether it has a worker. The other deliveries wait for a slot, or for the
	// broker to take their settlement.
	Running bool
	// Decision is the zero Decision while there is none.
	Decision Decision
	// Age is the time since the receipt, and Active the time since it was given to a worker.
	Age, Active time.Duration
}
