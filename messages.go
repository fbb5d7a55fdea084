package gentask

import (
	"time"

	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/task"
)

// message is a message of the library to its ledger. The set is sealed. The ledger also handles
// messages of its link, actors, supervisors and tasks: see ledger.Receive, which names the handler
// of each.
type message interface{ toLedger() }

// Messages of the link to a session: see package link.
type (
	sessionLink    = link.Link[*entry]
	sessionOpened  = link.Opened[*entry]
	intakeDrained  = link.Drained[*entry]
	intakeFlowing  = link.Flowing[*entry]
	sessionBroken  = link.Broken[*entry]
	sessionClosed  = link.Closed[*entry]
	settled        = link.Settled[*entry]
	returned       = link.Returned[*entry]
	backlogCounted = link.Backlog[*entry]

	suspectsIsolated = link.Isolated[*entry]
	suspectsCounted  = link.IsolatedCount[*entry]
	suspectTaken     = link.IsolatedTaken[*entry]
)

// Messages about a delivery.
type (
	// delivered carries a delivery, as its entry.
	delivered entry
	// decided is posted when an entry has its decision.
	decided entry
	// workerGone is posted when a worker of the library's own has ended, after its decision.
	workerGone worker
	// settleDue is posted when the settlement of an entry must be passed on. The broker has refused
	// it before, or the store of Policy.Dedup had to be updated first.
	settleDue struct{ entry *entry }
	// workerCrashed is posted when a user's worker has crashed. It is restarted, or ends for good,
	// when resume is called.
	workerCrashed struct {
		entry  *entry
		reason error
		resume func(again bool)
	}
	// restartDue is posted when a crashed worker has waited long enough for its restart.
	restartDue struct{ *workerCrashed }
)

// Messages about the consumer.
type (
	// openDue is posted when it is time to open the next session.
	openDue struct{}
	// tick triggers the watchdog.
	tick struct{}
	// alarmed is posted when a gate must be asked again. It is ignored if the alarm was set again
	// since.
	alarmed struct{ at time.Time }
	// unblocked is posted when a gate has opened by itself.
	unblocked struct{}
	// unitLost is posted when a job has lost its unit of the fleet's limit.
	unitLost struct{ entry *entry }
	// abandonedNow carries the number of abandoned tasks that still run.
	abandonedNow struct{ n int }
	// tasksEnding is posted when the task supervisor takes no more tasks without having been
	// stopped. It has crashed, and waits for the tasks that it still has.
	tasksEnding struct{}
	// drainDue is posted when the time to drain is over, and again when the grace after it is over.
	drainDue struct{ drain *drain }
)

// Requests of the Consumer's methods. answer is called once.
type (
	pauseRequest struct {
		on     bool
		answer func(error)
	}
	cancelRequest struct {
		id     string
		answer func(error)
	}
	concurrencyRequest struct {
		n      int
		answer func(error)
	}
	rateRequest struct {
		rate   Rate
		ofKeys bool
		answer func(error)
	}
	// overrideRequest asks the ledger to look at the consumer's overrides.
	overrideRequest struct{ answer func([]OverrideChange) }
	jobsRequest     struct{ answer func([]JobStatus) }
	workerRequest   struct {
		id     string
		answer func(workerAnswer)
	}
	tasksRequest struct{ answer func(*task.Supervisor) }
	drainRequest struct{ within time.Duration }
)

// answers are the answers to requests of one turn. They are sent at its end, because the effect of
// a request must be visible to the caller then, in Health for example.
type answers []func()

func (a *answers) add(answer func()) { *a = append(*a, answer) }

func (a *answers) send() {
	for _, answer := range *a {
		answer()
	}
	clear(*a)
	*a = (*a)[:0]
}

func (*delivered) toLedger()          {}
func (*decided) toLedger()            {}
func (*workerGone) toLedger()         {}
func (*settleDue) toLedger()          {}
func (*workerCrashed) toLedger()      {}
func (*openDue) toLedger()            {}
func (*tick) toLedger()               {}
func (*alarmed) toLedger()            {}
func (*unblocked) toLedger()          {}
func (*unitLost) toLedger()           {}
func (*abandonedNow) toLedger()       {}
func (*tasksEnding) toLedger()        {}
func (*drainDue) toLedger()           {}
func (*pauseRequest) toLedger()       {}
func (*cancelRequest) toLedger()      {}
func (*concurrencyRequest) toLedger() {}
func (*rateRequest) toLedger()        {}
func (*overrideRequest) toLedger()    {}
func (*jobsRequest) toLedger()        {}
func (*workerRequest) toLedger()      {}
func (*tasksRequest) toLedger()       {}
func (*drainRequest) toLedger()       {}
