package memory

import (
	"errors"
	"fmt"

	"github.com/gentask/gentask/queue"
)

// Check returns nil if the queue's counts are consistent, and otherwise an error that wraps
// [ErrBooks] and lists every mistake. It checks that no message was lost or gained: published and
// duplicated = acknowledged + dead-lettered + still queued.
//
// With [Config.Journal] it also checks the journal:
//
//   - Every delivery was settled at most once, in the session that delivered it, while that session
//     was open.
//   - A delivery came back only after its session had ended.
//   - No session held more than its prefetch.
//   - The same holds for each message ID.
//   - The counts of [Stats] are those of the journal.
//
// Check may be called at any time. Its duration is proportional to the journal.
func (q *Queue) Check() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := newAudit()
	a.totals(q.count())
	a.locks(q)
	if q.cfg.Journal {
		for _, e := range q.journal {
			a.entry(e)
		}
		a.compare(q)
	}
	if len(a.wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrBooks, errors.Join(a.wrong...))
}

// audit is the sum of the journal, kept apart from the state of the queue.
type audit struct {
	open   map[int]int         // prefetch by open session
	held   map[delivery]string // message id by delivery that is held
	count  map[int]int         // deliveries held by session
	byID   map[string]int      // deliveries held by message id
	copies map[string]int      // how many of a message id are still in the queue, in any state
	sum    Stats
	wrong  []error
}

// delivery identifies a delivery among those of all sessions.
type delivery struct {
	session int
	tag     uint64
}

// newAudit returns an empty audit.
func newAudit() *audit {
	return &audit{
		open: map[int]int{}, held: map[delivery]string{}, count: map[int]int{}, byID: map[string]int{},
		copies: map[string]int{},
	}
}

// claim records a mistake unless ok.
func (a *audit) claim(ok bool, format string, args ...any) {
	if !ok {
		a.wrong = append(a.wrong, fmt.Errorf(format, args...)) //nolint:err113 // wrapped by ErrBooks
	}
}

// totals checks the two sums of Stats.
func (a *audit) totals(s Stats) {
	in, out := s.Published+s.Duplicated, s.Acked+s.DeadLettered+s.Ready+s.Isolated+s.Delayed+s.Held
	a.claim(in == out, "%d messages came in, %d are accounted for: %+v", in, out, s)
	ended := s.Acked + s.Requeued + s.Released + s.DeadLettered + s.Returned + s.GivenBack + s.Held
	a.claim(s.Delivered == ended, "%d deliveries, %d are accounted for: %+v", s.Delivered, ended, s)
}

// entry adds one entry of the journal.
func (a *audit) entry(e Entry) {
	switch e.Op {
	case Published:
		a.sum.Published++
		a.copies[e.ID]++
	case Repeated:
		a.sum.Repeated++
	case Duplicated:
		a.sum.Duplicated++
		a.copies[e.ID]++
	case Due:
		a.claim(a.copies[e.ID] > 0, "message %q was delayed, but is not in the queue", e.ID)
	case Opened:
		a.sum.Opened++
		a.open[e.Session] = e.Prefetch
	case Delivered:
		a.delivered(e)
	case Settled:
		a.settled(e)
	case Refused:
		a.sum.Refused++
	case GivenBack:
		a.sum.GivenBack++
		_, open := a.open[e.Session]
		a.claim(open, "session %d: delivery %d was given back after the session's end", e.Session, e.Tag)
		a.letGo(e)
	case Lost:
		a.sum.Lost++
		delete(a.open, e.Session)
	case Closed:
		delete(a.open, e.Session)
	case Returned:
		a.sum.Returned++
		_, open := a.open[e.Session]
		a.claim(!open, "session %d: delivery %d came back while the session was open", e.Session, e.Tag)
		a.letGo(e)
	}
}

// delivered adds a delivery to what its session holds.
func (a *audit) delivered(e Entry) {
	a.sum.Delivered++
	prefetch, open := a.open[e.Session]
	a.claim(open, "session %d: delivery %d after the session's end", e.Session, e.Tag)
	a.count[e.Session]++
	a.claim(!open || a.count[e.Session] <= prefetch, "session %d: holds %d, prefetch is %d", e.Session,
		a.count[e.Session], prefetch)
	d := delivery{e.Session, e.Tag}
	_, twice := a.held[d]
	a.claim(!twice, "session %d: tag %d was handed out while it was held", e.Session, e.Tag)
	a.held[d] = e.ID
	a.byID[e.ID]++
	a.claim(a.byID[e.ID] <= a.copies[e.ID], "message %q is held %d times, but is %d times in the queue", e.ID,
		a.byID[e.ID], a.copies[e.ID])
}

// settled takes a delivery away from what its session holds.
func (a *audit) settled(e Entry) {
	_, open := a.open[e.Session]
	a.claim(open, "session %d: delivery %d was settled after the session's end", e.Session, e.Tag)
	a.letGo(e)
	switch e.Disposition {
	case queue.Ack:
		a.sum.Acked++
		a.gone(e.ID)
	case queue.DeadLetter:
		a.sum.DeadLettered++
		a.gone(e.ID)
	case queue.Requeue:
		a.sum.Requeued++
	case queue.Release:
		a.sum.Released++
	}
}

// letGo checks that the delivery of e was held under its id, and takes it away.
func (a *audit) letGo(e Entry) {
	d := delivery{e.Session, e.Tag}
	id, held := a.held[d]
	a.claim(held && id == e.ID, "session %d: delivery %d of message %q %v, but was not held", e.Session, e.Tag, e.ID,
		e.Op)
	if held {
		delete(a.held, d)
		a.count[e.Session]--
		a.byID[id]--
	}
}

// gone removes a copy of a message.
func (a *audit) gone(id string) {
	a.claim(a.copies[id] > 0, "message %q was settled for good more often than it came in", id)
	a.copies[id]--
}

// locks checks that each key belongs to a message in the queue, with as many copies as there are.
func (a *audit) locks(q *Queue) {
	if len(q.locks.held)+len(q.locks.holder) == 0 {
		return
	}
	left := map[uint64]int{}
	for _, it := range q.all() {
		left[it.sequence]++
	}
	for sequence, l := range q.locks.held {
		a.claim(left[sequence] == l.copies, "key %q is held by %d copies of message %d, the queue has %d", l.key,
			l.copies, sequence, left[sequence])
		a.claim(q.locks.holder[l.key] == sequence, "key %q is not that of message %d", l.key, sequence)
	}
	a.claim(len(q.locks.held) == len(q.locks.holder), "%d messages have %d keys", len(q.locks.held),
		len(q.locks.holder))
}

// compare checks that the queue's state and counts are the sum of the journal.
func (a *audit) compare(q *Queue) {
	s := q.count()
	a.sum.Ready, a.sum.Delayed, a.sum.Held, a.sum.Sessions = s.Ready, s.Delayed, len(a.held), len(a.open)
	a.sum.MaxHeld, a.sum.LostAcks, a.sum.Isolated = s.MaxHeld, s.LostAcks, s.Isolated // not in the journal
	a.claim(a.sum == s, "the journal adds up to %+v, the counts are %+v", a.sum, s)
	for _, sess := range q.sessions {
		a.claim(a.count[sess.number] == len(sess.held), "session %d: the journal has %d held, the session %d",
			sess.number, a.count[sess.number], len(sess.held))
	}
	left := q.inside()
	for id, n := range a.copies {
		a.claim(left[id] == n, "message %q is %d times in the queue, the journal has %d", id, left[id], n)
	}
}

// inside counts the messages in the queue by id, in any state.
func (q *Queue) inside() map[string]int {
	left := map[string]int{}
	for _, it := range q.all() {
		left[it.ID]++
	}
	return left
}

// all returns the messages in the queue, in any state.
func (q *Queue) all() []item {
	var all []item
	for i := range q.ready.len() {
		all = append(all, *q.ready.at(i))
	}
	for i := range q.suspects.len() {
		all = append(all, *q.suspects.at(i))
	}
	for _, it := range q.delayed.all {
		all = append(all, it.item)
	}
	for _, s := range q.sessions {
		for _, h := range s.held {
			all = append(all, h.back(h.Attempt))
		}
	}
	return all
}
