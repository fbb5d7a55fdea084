package watermill

import "errors"

// ErrNoDelay is returned by Open when the queue has no way to deliver a message later: a retry with back-off could not be kept.
var ErrNoDelay = errors.New("watermill: no way to requeue with a delay: right would be Config.Delayed, or Config.Hold")
