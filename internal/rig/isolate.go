package rig

import (
	"context"
	"slices"

	"github.com/gentask/gentask/queue"
)

// isolatingSpy is a spySession whose session keeps suspects apart.
type isolatingSpy struct{ *spySession }

var _ queue.Isolator = isolatingSpy{}

func (s isolatingSpy) inner() queue.Isolator {
	return s.Session.(queue.Isolator) //nolint:forcetypeassert // see Open
}

// Isolate implements queue.Isolator. A move frees the slot, as a release does.
func (s isolatingSpy) Isolate(ctx context.Context, batch []queue.Settlement) error {
	s.before(batch)
	err := s.inner().Isolate(ctx, batch)
	moved := slices.Clone(batch)
	for i := range moved {
		moved[i].Disposition = queue.Release
	}
	s.after(moved, err)
	return err
}

// Isolated implements queue.Isolator.
func (s isolatingSpy) Isolated(ctx context.Context) (int, error) { return s.inner().Isolated(ctx) }

// ReceiveIsolated implements queue.Isolator.
func (s isolatingSpy) ReceiveIsolated(ctx context.Context) (*queue.Delivery, error) {
	d, err := s.inner().ReceiveIsolated(ctx)
	if d == nil {
		return nil, s.received(err)
	}
	s.note(d)
	return d, nil
}
