package gentask

import (
	"sync/atomic"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/batching"
	"github.com/gentask/gentask/task"
)

// incarnation is shared by the entries of one incarnation of a consumer.
type incarnation struct {
	sys      *actor.System
	consumer *actor.PID
	tasks    *task.Supervisor
	instance *instance
	batches  *batching.Set

	spawnedAt  atomic.Int64 // when a user's worker was spawned last
	workerName string       // the prefix of the names of the library's own workers
	over       atomic.Bool  // the consumer has ended
}

// newIncarnation returns the incarnation of a consumer whose ledger is the given actor.
func newIncarnation(sys *actor.System, ledger *actor.PID, i *instance) *incarnation {
	return &incarnation{
		sys: sys, consumer: ledger, tasks: i.tasks, instance: i, workerName: ledger.Id + "/worker",
		batches: batching.New(batching.Settings{Slots: i.cfg.Concurrency, Grace: i.cfg.graceTime()}),
	}
}

// tell posts a message of the library to the consumer.
func (i *incarnation) tell(msg message) { i.post(msg) }

// post posts a message to the consumer, unless the consumer has ended. It leaves nothing behind
// then that a message could be about.
func (i *incarnation) post(msg any) {
	if !i.over.Load() {
		actor.Send(i.sys, i.consumer, msg)
	}
}
