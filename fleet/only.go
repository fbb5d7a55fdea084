package fleet

import (
	"context"
	"time"

	"github.com/gentask/gentask/internal/lease"
)

// ErrLeaseLost is the cause of the end of the context of a function of [Node.Only], and of a job
// under [gentask.FleetLimits], when the broker was away for too long, or when another node or an
// operator has taken over.
var ErrLeaseLost = lease.ErrLost

// ErrLeft is returned by [Node.Only] after [Node.Close], and is the cause of the end of the
// contexts that it ends.
var ErrLeft = lease.ErrClosed

// leaveTime is how long Close waits for the functions of Only, and for jobs under FleetLimits.
const leaveTime = 10 * time.Second

// Only runs f on one node of the fleet at a time, for each name. It waits until this node may run
// it, so call it on every node that can. When the node that runs f dies or is cut off, another one
// takes over within two seconds; when f returns, at once. On a broker of several servers the two
// seconds are longer: see [queue.StoreFacts].
//
// If f returns while its context lives, Only returns the error of f, also that of a panic or
// Goexit. If the context has ended because the lease is lost, with [ErrLeaseLost] as its cause,
// Only waits again. It returns the cause of the end of ctx, after f has returned, [ErrLeft] after
// Close, and the error of a store that refuses.
//
// The epoch is a fencing token: it grows with each run, as long as the broker's store is not made
// again. The context of f ends before another node starts, but no lease can stop a function that
// ignores its context, or a process that was frozen in the middle of a write. Pass the epoch on to
// the place that f writes to, and let that refuse a smaller one than it has seen.
func (n *Node) Only(ctx context.Context, name string, f func(ctx context.Context, epoch uint64) error) error {
	return n.leases.Only(ctx, part(name), f)
}

// leave ends what runs by Only, and jobs under FleetLimits.
func (n *Node) leave() {
	if n.leases == nil {
		return // it could not join
	}
	for _, l := range n.limits {
		l.off()
		defer l.close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	n.leases.Close(ctx)
}
