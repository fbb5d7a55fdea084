package nats

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Delete deletes the queue: its stream with the consumer, and the streams of its dead letters, its
// suspects and its unique keys. Messages, delayed ones included, and dead letters are lost. Unique
// keys are forgotten, so that a key may be published again. Sessions end with
// [queue.ErrSessionLost] when they want the next message. A queue that does not exist is no error.
//
// Stop consumers and publishers first: those that go on make a new queue, after an error or two.
// Delete returns a [*MismatchError], and deletes nothing, if one of the streams is not a queue's.
// The user needs the right to publish to $JS.API.STREAM.INFO and $JS.API.STREAM.DELETE of the four.
// After another error some of them may be left: call it again.
func (q *Queue) Delete(ctx context.Context) error {
	if err := checkName(q.name); err != nil {
		return err
	}
	l, err := q.broker.publisher(ctx)
	if err != nil {
		return err
	}
	for _, stream := range q.streams() {
		if err := stream.check(ctx, l); err != nil {
			return err
		}
	}
	for _, stream := range q.streams() {
		q.broker.forget(stream.name)
		if err := deleteStream(ctx, l, stream.name); err != nil {
			return fmt.Errorf("nats: delete stream %q: %w", stream.name, l.answer(ctx, err))
		}
	}
	return nil
}

// ownStream is a stream of a queue, by what shows that it is one.
type ownStream struct {
	name, subject, retention string
}

// streams returns the streams that a queue may have, its own one first.
func (q *Queue) streams() []ownStream {
	keys := q.name + keysSuffix
	all := []ownStream{{q.name, q.name, "workqueue"}}
	for _, name := range []string{q.name + suspectsSuffix, q.name + deadSuffix} {
		all = append(all, ownStream{name, name, "workqueue"})
	}
	return append(all, ownStream{keys, keys + ".*", "limits"})
}

// check returns a MismatchError if there is a stream of that name which is not a queue's. The
// limits of a Config don't matter to one that goes.
func (s ownStream) check(ctx context.Context, l *link) error {
	have, err := ask(ctx, l, func(ctx context.Context) (*info, error) { return l.streamInfo(ctx, s.name) })
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("nats: stream %q: %w", s.name, l.answer(ctx, err))
	}
	want := rules{
		"subjects":  {must: fmt.Sprintf("a list with %q", s.subject), holds: hasSubject(s.subject)},
		"retention": exactly(s.retention),
	}
	is := properties{"subjects": have.Config["subjects"], "retention": have.Config["retention"]}
	return mismatch("stream", s.name, want.differences(is))
}

// deleteStream deletes a stream, with its consumers. One that is gone is no error.
func deleteStream(ctx context.Context, l *link, name string) error {
	_, err := ask(ctx, l, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, l.js.DeleteStream(ctx, name)
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	return err
}

// forget makes the next use look whether the stream exists.
func (b *Broker) forget(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.known, name)
	delete(b.dead, name)
}
