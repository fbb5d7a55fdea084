package memory

import "errors"

var (
	// ErrRefused is returned by Open, and is why a settlement failed, when Faults says so without an error of its own.
	ErrRefused = errors.New("queue/memory: refused")

	// ErrBooks is wrapped by the errors of Check: the queue has lost, gained or mixed up something. It is a bug of this package.
	ErrBooks = errors.New("queue/memory: books do not balance")
)
