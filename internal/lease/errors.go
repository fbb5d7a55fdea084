package lease

import "errors"

var (
	// ErrLost is the cause of the end of a context whose lease was lost.
	ErrLost = errors.New("gentask: the lease is lost: the broker was away, or another program has taken over")

	// ErrClosed is returned after [Keeper.Close].
	ErrClosed = errors.New("gentask: the node has left its fleet")
)
