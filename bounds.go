package gentask

import "strings"

// keyFrom returns what is remembered of a key that a user's function made: no more than maxName bytes, and
// not a part of something larger.
func keyFrom(made string) string {
	if len(made) <= maxName {
		return strings.Clone(made)
	}
	return bounded(made)
}
