package gentask_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue/memory"
)

// ledgerTable is a DedupStore. A real one is a table, or a cache whose entries expire when no
// message can be that old.
type ledgerTable struct{ done sync.Map }

func (t *ledgerTable) Done(_ context.Context, id string) (bool, error) {
	_, done := t.done.Load(id)
	return done, nil
}

func (t *ledgerTable) Remember(_ context.Context, id string) error {
	t.done.Store(id, true)
	return nil
}

// The connection breaks when the work is done, before the broker gets the acknowledgement. The
// message comes again, and is only acknowledged.
func ExampleDedup() {
	q := outbox("anna")
	defer q.Close()
	fmt.Println(consumed(q, gentask.Handle(func(_ context.Context, e Email) error {
		fmt.Println("to", e.To)
		q.SetFaults(memory.Faults{LoseSession: memory.Times(1)})
		return nil
	}), gentask.Config{Policy: gentask.Policy{Dedup: gentask.Dedup{Store: &ledgerTable{}}}}))
	// Output:
	// to anna
	// anna: ok, disposition(0): queue: session lost
	// anna: status(0), ack: gentask: done before, acknowledged without a run
	// <nil>
}
