package nats

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask/queue"
)

// checkOrder returns an error if a message requests something that is not supported. The
// publication adds the message's ID.
func (c Config) checkOrder(m *queue.Message) error {
	switch err := m.Check(); {
	case err != nil:
		return err
	case m.Priority != 0:
		return fmt.Errorf("%w: Message.Priority is %d: JetStream keeps the order of publishing: "+
			"right would be 0, or a queue for urgent messages", queue.ErrUnsupported, m.Priority)
	case m.UniqueUntil == queue.UntilDone:
		return fmt.Errorf("%w: Message.UniqueUntil is %v with the key %q: JetStream compares within a window: "+
			"right would be UntilWindowEnds, or a queue of PostgreSQL's",
			queue.ErrUnsupported, m.UniqueUntil, m.UniqueKey)
	case m.UniqueKey != "" && c.Duplicates == neverDuplicates:
		return fmt.Errorf("%w: Message.UniqueKey is %q and Config.Duplicates is -1: right would be a window, or no key",
			queue.ErrUnsupported, m.UniqueKey)
	}
	return nil
}

// UniqueWindow implements [queue.Deduplicator]. It returns the duplicate window of the stream,
// which it creates if there is none.
func (q *Queue) UniqueWindow(ctx context.Context) (time.Duration, error) {
	if q.broker.config.Duplicates == neverDuplicates {
		return 0, fmt.Errorf("nats: %w: Config.Duplicates is -1: right would be a window", queue.ErrUnsupported)
	}
	l, err := q.ready(ctx)
	if err != nil {
		return 0, err
	}
	s, err := l.js.Stream(ctx, q.name)
	if err != nil {
		return 0, fmt.Errorf("nats: stream %q: %w", q.name, l.answer(ctx, err))
	}
	return s.CachedInfo().Config.Duplicates, nil
}

var _ queue.Deduplicator = (*Queue)(nil)
