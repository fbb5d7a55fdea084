package link

import (
	"context"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// The messages of a link, sent as pointers. From is the link that has sent the message. A message
// may be stale: it was on its way when the link was closed, or comes from a driver that was left
// behind, even after [Closed].
type (
	// Opened is sent when the session is open, before its first delivery.
	Opened[E any] struct{ From *Link[E] }

	// Drained is sent when no delivery comes any more because the intake is cancelled.
	Drained[E any] struct{ From *Link[E] }

	// Flowing is sent when the intake is resumed, before the first delivery.
	Flowing[E any] struct{ From *Link[E] }

	// Broken is sent when the session could not be opened, has ended, or can't be used any more.
	// The link should be closed. It may be sent more than once.
	Broken[E any] struct {
		From *Link[E]
		Err  error
	}

	// Settled is the answer of the session to a batch of [Link.Settle]. The message is the batch:
	// its memory is used again after [Settled.Recycle].
	Settled[E any] struct {
		From        *Link[E]
		Entries     []E
		Settlements []queue.Settlement // one for each of Entries, in their order
		Answer
		Late bool // the call took too long, and its context was ended

		lane *lane[E]
	}

	// Returned is the answer of the session to a batch of [Link.Return].
	Returned[E any] struct {
		From        *Link[E]
		Entries     []E
		Settlements []queue.Settlement // one for each of Entries, in their order
		Answer
		Unsupported bool // the driver has no [queue.Returner], so nothing was returned
	}

	// Isolated is the answer of the session to a batch of [Link.Isolate].
	Isolated[E any] struct {
		From        *Link[E]
		Entries     []E
		Settlements []queue.Settlement // one for each of Entries, in their order
		Answer
	}

	// IsolatedCount is the answer to [Link.CountIsolated]: how many suspects wait at their place,
	// or an error.
	IsolatedCount[E any] struct {
		From    *Link[E]
		Waiting int
		Err     error
	}

	// IsolatedTaken is the answer to [Link.TakeIsolated]. If a suspect was there, Config.Deliver
	// was called with it before.
	IsolatedTaken[E any] struct {
		From  *Link[E]
		Found bool
	}

	// Backlog is the answer to [Link.AskBacklog]: how many messages wait at the broker, and why the
	// session is on standby, or an error.
	Backlog[E any] struct {
		From    *Link[E]
		Asked   time.Time // when the question was asked
		Waiting int
		Standby string // empty if it is not
		Err     error
	}

	// Closed is sent once, after Close or CloseUnopened: the session is closed, and the goroutines
	// of the link are gone or were left behind.
	Closed[E any] struct{ From *Link[E] }
)

// Recycle gives the memory of the message back to its lane. It must be called at most once, and
// nothing of the message may be used after it. A message that is not recycled is left to the
// garbage collector.
func (m *Settled[E]) Recycle() { m.lane.recycle(m) }

// Answer is the answer of a session to a batch, read on the goroutine that asked.
type Answer struct {
	// Failed has the settlements that were not applied, by tag, with the reason, which a driver may
	// have left nil. Unless Over is set, the others were applied.
	Failed map[uint64]error

	// Over reports that the session is lost, or that the error does not name single settlements.
	// Those that are not in Failed may then have been applied or not.
	Over bool

	// Err is the error of the call.
	Err error
}

// answerOf reads the error of a batch.
func answerOf(err error) Answer {
	if err == nil {
		return Answer{}
	}
	a := Answer{Err: guard.Seal(err)}
	some, _ := guard.As[*queue.SettleError](a.Err)
	if some == nil || len(some.Failed) == 0 || guard.Is(a.Err, queue.ErrSessionLost) {
		a.Over = true
		return a
	}
	a.Failed = make(map[uint64]error, len(some.Failed))
	for _, f := range some.Failed {
		reason := guard.Seal(f.Err)
		a.Failed[f.Tag] = reason
		a.Over = a.Over || guard.Is(reason, queue.ErrSessionLost)
	}
	return a
}

// cut amends the answer to a call whose context was ended. A driver that returns no more than the
// error of its context has, as far as it can tell, applied nothing; the session goes on.
func (a *Answer) cut(batch []queue.Settlement) {
	ofContext := guard.Is(a.Err, context.Canceled) || guard.Is(a.Err, ErrSettleTimeout)
	if !a.Over || !ofContext || guard.Is(a.Err, queue.ErrSessionLost) {
		return
	}
	a.Over, a.Failed = false, make(map[uint64]error, len(batch))
	for i := range batch {
		a.Failed[batch[i].Delivery.Tag] = a.Err
	}
}
