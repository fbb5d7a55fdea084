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

// tell posts a message of the library to the consumer.
func (i *incarnation) tell(msg message) { i.post(msg) }

// post posts a message to the consumer, unless the consumer has ended. It leaves nothing behind
// then that a message could be about.
func (i *incarnation) post(msg any) {
	if !i.over.Load() {
		actor.Send(i.sys, i.consumer, msg)
	}
}

// newBatches returns the batches of one incarnation of a consumer.
func newBatches(cfg *settings) *batching.Set {
	return batching.New(batching.Settings{Slots: cfg.Concurrency, Grace: cfg.graceTime()})
}
