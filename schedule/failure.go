package schedule

import (
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// failure is an error of a publisher's, read once, where its methods may panic or hang. Later its
// methods are not called.
type failure struct {
	text   string
	sealed error
}

// Error returns the text of the error, cut to [queue.MaxReason].
func (f *failure) Error() string { return f.text }

// Unwrap returns the error as package guard has sealed it.
func (f *failure) Unwrap() error { return f.sealed }

// seal reads an error. It returns nil for nil.
func seal(err error) error {
	if err == nil {
		return nil
	}
	sealed := guard.Seal(err)
	return &failure{text: cut(sealed.Error()), sealed: sealed}
}

// final reports whether trying again is of no use. It calls no method of the publisher's errors.
func final(err error) bool {
	return guard.Is(err, queue.ErrUnsupported) || guard.Is(err, queue.ErrConfig) || guard.Is(err, queue.ErrClosed)
}

// cut shortens a text to queue.MaxReason.
func cut(text string) string { return text[:min(len(text), queue.MaxReason)] }
