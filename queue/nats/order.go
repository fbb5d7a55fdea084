package nats

import (
	"fmt"

	"github.com/gentask/gentask/queue"
)

// checkOrder says what a message asks for that can't be done. The publication adds who says it.
func (c Config) checkOrder(m *queue.Message) error {
	switch err := m.Check(); {
	case err != nil:
		return err
	case m.Priority != 0:
		return fmt.Errorf("%w: Message.Priority is %d: JetStream keeps the order of publishing: right would be 0, or a queue for what is urgent",
			queue.ErrUnsupported, m.Priority)
	case m.UniqueKey != "" && c.Duplicates == neverDuplicates:
		return fmt.Errorf("%w: Message.UniqueKey is %q and Config.Duplicates is -1: right would be a window, or no key",
			queue.ErrUnsupported, m.UniqueKey)
	}
	return nil
}
