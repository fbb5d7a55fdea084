package watermill

import (
	"fmt"

	"github.com/gentask/gentask/queue"
)

// checkOrder says what a message asks for that watermill knows nothing of.
func checkOrder(m *queue.Message) error {
	switch err := m.Check(); {
	case err != nil:
		return fmt.Errorf("watermill: %w", err)
	case m.Priority != 0:
		return fmt.Errorf("watermill: %w: Message.Priority is %d: right would be 0", queue.ErrUnsupported, m.Priority)
	case m.UniqueKey != "":
		return fmt.Errorf("watermill: %w: Message.UniqueKey is %q: right would be none", queue.ErrUnsupported, m.UniqueKey)
	case !m.NotBefore.IsZero():
		return fmt.Errorf("watermill: %w: Message.NotBefore is set: right would be zero", queue.ErrUnsupported)
	}
	return nil
}
