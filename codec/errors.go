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

// unknownError is returned by [Set.Decode] for a message of a content type, a content encoding or a
// charset that the Set lacks. It wraps [queue.ErrUnknown].
type unknownError struct {
	what, name string   // what is "content type", "content encoding" or "charset"
	known      []string // those that the Set has
}

// Unwrap returns [queue.ErrUnknown]: the consumer puts the message off, because another node may
// have it.
func (*unknownError) Unwrap() error { return queue.ErrUnknown }

// Error names the unknown type or encoding, and the known ones.
func (e *unknownError) Error() string {
	return fmt.Sprintf("codec: %s %q is unknown; known are %s", e.what, e.name, strings.Join(e.known, ", "))
}
