package top

import (
	"time"

	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
)

// Snapshot is what was found out at one moment. Its texts may be those of others.
type Snapshot struct {
	Fleet  string
	System string // of the broker

	// At is when it was found out; zero if nothing was yet.
	At time.Time

	// Trouble is why something could not be found out since; empty if all was.
	Trouble string

	Queues []Queue
	Nodes  []Node

	// Jobs run, the longest ones first, and JobsLeft is how many more do.
	Jobs     []Job
	JobsLeft int
}

// Unknown is a count that the broker does not have.
const Unknown = -1

// Queue is a queue, with what all consumers of the fleet do with it.
type Queue struct {
	Name                         string
	Waiting, Delayed, Held, Dead int // or Unknown
	Running                      int
	Rates

	// P50 and P99 are of the run time of the jobs that were done in the last minute. Timed reports
	// whether a node has them.
	Timed    bool
	P50, P99 time.Duration

	Note
}

// Node is a node of the fleet.
type Node struct {
	Name, Version        string
	Up                   time.Duration
	Running, Concurrency int
	Rates
	Note
}

// Job is a job that runs.
type Job struct {
	ID, Queue, Node string
	Attempt         int
	Age, Active     time.Duration
}

// Rates are how many deliveries end in a second, by the last ten seconds. A failed one is tried
// again, or is a dead letter.
type Rates struct{ Done, Failed float64 }

// Note is the state in words, and how bad it is.
type Note struct {
	Text   string
	Colour terminal.Colour
}
