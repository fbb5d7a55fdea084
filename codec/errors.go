package codec

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gentask/gentask/queue"
)

// ErrTooLarge is wrapped by the error of Decode for a body that would be larger than Config.MaxBytes if it were decompressed.
var ErrTooLarge = errors.New("codec: body too large")

// UnknownError is returned by Decode for a message in a content type or a content encoding that the Set doesn't know.
type UnknownError struct {
	// What is "content type" or "content encoding", and Name is the unknown one.
	What, Name string
	// Known are those that the Set knows.
	Known []string
}

// Unwrap returns queue.ErrUnknown: another node may know it, and the consumer puts the message off.
func (*UnknownError) Unwrap() error { return queue.ErrUnknown }

// Error names what is known.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("codec: %s %q is unknown; known are %s", e.What, e.Name, strings.Join(e.Known, ", "))
}
