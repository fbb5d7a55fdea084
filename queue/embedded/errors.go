package embedded

import "errors"

// ErrInUse is returned by [Open] if another broker has the directory open, in this process or
// another. The directory is free as soon as that broker, or its process, has ended.
var ErrInUse = errors.New("embedded: directory is in use")
