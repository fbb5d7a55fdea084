package gentask

import (
	"cmp"
	"slices"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/list"
)

// JobStatus describes one delivery that a consumer holds.
type JobStatus struct {
	ID      string
	Attempt int
	// Worker is the address of its worker; nil if it has none, or one made by Actor that has not asked for its task yet.
	Worker *actor.PID
	// Running says that it has a worker; the others wait for a slot, or for the broker to take their settlement.
	Running bool
	// Decision is what was decided, or "undecided".
	Decision string
	// Age is since the receipt, Active since it was given to a worker.
	Age, Active time.Duration
}

func statusOf(e *entry) JobStatus {
	d, _ := e.verdict()
	s := JobStatus{
		ID: e.delivery.ID, Attempt: e.item.Attempt, Worker: e.workerPID(), Running: e.busy(),
		Decision: d.String(), Age: time.Since(e.received),
	}
	if s.Running {
		s.Active = time.Since(e.startedAt())
	}
	return s
}

// inOrder returns what is held and what still runs, in the order in which it came: a job that was settled
// early, or lost, may run on.
func inOrder(held, busy *list.List[entry]) []*entry {
	entries := busy.Slice()
	for e := range held.All() {
		if !busy.Has(e) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.item.Serial, b.item.Serial) })
	return entries
}
