package supervision

import (
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
)

// declines reports whether a child has ended because it declines to run. While the child starts,
// any reason that wraps ErrIgnore does, unless it comes from a panic. Later it must be ErrIgnore
// itself: an error that merely wraps it may have been made by another supervisor.
func declines(c *child, reason error) bool {
	switch {
	case reason == nil:
		return false
	case reason == ErrIgnore: //nolint:errorlint // see above
		return true
	case c.state != Starting:
		return false
	}
	_, crash := guard.As[*actor.PanicError](reason)
	return !crash && guard.Is(reason, ErrIgnore)
}
