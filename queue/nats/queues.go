package nats

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/gentask/gentask/queue"
)

// Queues returns the names of the queues at the server, in their order. A queue is a work-queue
// stream that has its own name among its subjects; those for dead letters and suspects are left
// out. The user needs the right to publish to $JS.API.STREAM.LIST. Queues asks once for each 256
// streams, and creates nothing.
func (b *Broker) Queues(ctx context.Context) ([]string, error) {
	l, err := b.publisher(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	streams := l.js.ListStreams(ctx)
	for stream := range streams.Info() {
		c := stream.Config
		if c.Retention == jetstream.WorkQueuePolicy && slices.Contains(c.Subjects, c.Name) {
			names = append(names, c.Name)
		}
	}
	if err := streams.Err(); err != nil {
		return nil, fmt.Errorf("nats: queues: %w", l.answer(ctx, err))
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return belongs(names, name, deadSuffix) || belongs(names, name, suspectsSuffix)
	}), nil
}

// belongs reports whether a stream is one that belongs to a queue of the list.
func belongs(names []string, name, suffix string) bool {
	of, found := strings.CutSuffix(name, suffix)
	return found && slices.Contains(names, of)
}

// Peek returns up to limit messages of the queue, the oldest first, and takes none: those that
// wait, those that wait for their time, and those that a session holds. A limit below 1, and a
// queue that does not exist, have none. It reads them one by one, with the rights of Letters.
func (q *Queue) Peek(ctx context.Context, limit int) ([]queue.Message, error) {
	if err := checkName(q.name); err != nil {
		return nil, err
	}
	l, err := q.broker.publisher(ctx)
	if err != nil {
		return nil, err
	}
	w, err := q.walk(ctx, l, q.name)
	if err != nil {
		return nil, err
	}
	var all []queue.Message
	for len(all) < limit {
		m, err := w.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return all, err
		}
		all = append(all, m)
	}
	return all, nil
}
