package link

import (
	"context"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// Isolates reports whether the session keeps suspects apart: see [queue.Isolator].
func (l *Link[E]) Isolates() bool {
	_, can := l.opened().(queue.Isolator)
	return can
}

// Isolate asks the session to move deliveries to the place for suspects. [Isolated] has the answer.
// The link keeps both slices, which must be of the same length. Isolates must have returned true,
// as for the two methods below.
func (l *Link[E]) Isolate(entries []E, settlements []queue.Settlement) {
	l.askIsolator(func(ctx context.Context, place queue.Isolator) any {
		return &Isolated[E]{
			From: l, Entries: entries, Settlements: settlements, Answer: answerOf(place.Isolate(ctx, settlements)),
		}
	})
}

// CountIsolated asks how many suspects wait. [IsolatedCount] has the answer.
func (l *Link[E]) CountIsolated() {
	l.askIsolator(func(ctx context.Context, place queue.Isolator) any {
		n, err := place.Isolated(ctx)
		return &IsolatedCount[E]{From: l, Waiting: n, Err: guard.Seal(err)}
	})
}

// TakeIsolated asks for a suspect. [IsolatedTaken] has the answer; an error breaks the session. It
// must be called only after [Drained], and before the intake is resumed.
func (l *Link[E]) TakeIsolated() {
	l.askIsolator(func(ctx context.Context, place queue.Isolator) any {
		d, err := place.ReceiveIsolated(ctx)
		if err != nil {
			return &Broken[E]{From: l, Err: guard.Seal(err)}
		}
		if d != nil && l.ctx.Err() == nil {
			l.cfg.Deliver(l, d)
		}
		return &IsolatedTaken[E]{From: l, Found: d != nil}
	})
}

// askIsolator calls ask on a goroutine of the link, and sends what it returns.
func (l *Link[E]) askIsolator(ask func(context.Context, queue.Isolator) any) {
	owed := l.owed.addReturn()
	l.start(func() {
		ctx, cancel := context.WithTimeout(l.ctx, CloseTimeout)
		defer cancel()
		answer := ask(ctx, l.session.(queue.Isolator)) //nolint:forcetypeassert // see Isolates
		l.owed.paid(owed)
		if l.ctx.Err() == nil {
			l.cfg.Send(answer)
		}
	})
}
