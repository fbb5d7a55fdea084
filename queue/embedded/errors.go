package embedded

import "errors"

var (
	// ErrInUse is returned by [Open] if another broker has the directory open, in this process or
	// another. The directory is free as soon as that broker, or its process, has ended.
	ErrInUse = errors.New("embedded: directory is in use")

	// ErrStorage is wrapped by every error of a broker whose directory can't be written, with the
	// reason: publishes, Opens and lost sessions. It also wraps [queue.ErrUnavailable], because the
	// broker continues by itself once the directory can be written again.
	ErrStorage = errors.New("embedded: can't store messages")

	// ErrRemoved is wrapped together with ErrStorage if the directory was removed, or another one
	// is at its path. The broker continues only if the same directory comes back. Otherwise close
	// it, and open another one.
	ErrRemoved = errors.New("embedded: directory was removed")
)
