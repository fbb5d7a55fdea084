package embedded

import "errors"

// ErrInUse is returned by Open when another broker has the directory open, in this process or another. When that one ends, however it ends, the
// directory is free.
var ErrInUse = errors.New("embedded: directory is in use")
