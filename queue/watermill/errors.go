package watermill

import "errors"

// ErrNoDelay is returned by [Queue.Open] if the queue has no way to deliver a message later,
// because a retry with back-off would be impossible.
var ErrNoDelay = errors.New("watermill: no way to requeue with a delay: right would be Config.Delayed, or Config.Hold")
