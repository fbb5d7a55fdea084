package gentask

import "strings"

// keyFrom returns a copy of a key that a user's function returned, bounded to maxName bytes. The
// copy keeps nothing larger alive.
func keyFrom(made string) string { return strings.Clone(bounded(made)) }
