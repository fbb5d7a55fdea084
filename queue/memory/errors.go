package memory

import "errors"

var (
	// ErrRefused is returned by [Queue.Open], and is the reason of a settlement that failed, if
	// [Faults] caused that and has no error of its own.
	ErrRefused = errors.New("queue/memory: refused")

	// ErrBooks is wrapped by the errors of [Queue.Check]: the queue has lost, gained or mixed up
	// something. It is a bug of this package.
	ErrBooks = errors.New("queue/memory: books do not balance")
)
