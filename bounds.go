package gentask

import "strings"

// keyFrom returns a copy of a key that a user's function returned, bounded to maxName bytes. The
// copy keeps nothing larger alive.
func keyFrom(made string) string {
	if len(made) <= maxName {
		return strings.Clone(made)
	}
	return bounded(made)
}
