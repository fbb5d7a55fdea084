package codec

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gentask/gentask/queue"
)

// ErrTooLarge is wrapped by the error of [Set.Decode] for a body that would be larger than
// [Config.MaxBytes] when decompressed.
var ErrTooLarge = errors.New("codec: body too large")

// UnknownError is returned by [Set.Decode] for a message of a content type, a content encoding
// or a charset that the Set lacks. It wraps [queue.ErrUnknown].
type UnknownError struct {
	// What and Name are the kind, "content type", "content encoding" or "charset", and the unknown
	// name.
	What, Name string
	// Known are those that the Set has.
	Known []string
}

// Unwrap returns [queue.ErrUnknown]: the consumer puts the message off, because another node may
// have it.
func (*UnknownError) Unwrap() error { return queue.ErrUnknown }

// Error names the unknown type or encoding, and the known ones.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("codec: %s %q is unknown; known are %s", e.What, e.Name, strings.Join(e.Known, ", "))
}
