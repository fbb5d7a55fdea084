package batching

import (
	"context"
	"slices"
	"time"
)

// batch is members that are handled together. The first group of fields is under the lock of the
// Set. The second is the leader's, and others read it when the channel is closed that it belongs
// to.
type batch struct {
	place   place
	serial  uint64    // in which order they began
	due     time.Time // when it is handled at the latest; then, when its gathering ended
	timer   *time.Timer
	bytes   int
	members []*Member
	ids     map[string]bool // theirs
	leader  *Member         // nil while it gathers
	handled bool            // its members and its leader are final
	quits   int             // the members that were told to stop since then
	cancel  context.CancelCauseFunc

	interrupted chan struct{} // closed when the task of the leader is told to stop
	cause       error         // why it was
	over        chan struct{} // closed when the function has ended
	outcome     outcome
}

// outcome is how the function of a batch ended.
type outcome struct {
	results map[string]error
	err     error // what it returned besides
	ending  Ending
	fault   error // the reason of an ending by panic or Goexit
}

func newBatch(at place, due time.Time) *batch {
	return &batch{
		place: at, due: due, ids: map[string]bool{},
		interrupted: make(chan struct{}), over: make(chan struct{}),
	}
}

// takes reports whether there is room for m.
func (b *batch) takes(m *Member) bool {
	limit := b.place.function.Bytes
	return !b.ids[m.ID] && (limit == 0 || b.bytes+m.Size <= limit)
}

// full reports whether the limit in bytes is reached.
func (b *batch) full() bool {
	limit := b.place.function.Bytes
	return limit > 0 && b.bytes >= limit
}

func (b *batch) add(m *Member) {
	m.batch = b
	b.members, b.bytes, b.ids[m.ID] = append(b.members, m), b.bytes+m.Size, true
}

func (b *batch) remove(m *Member) {
	b.members = slices.DeleteFunc(b.members, func(other *Member) bool { return other == m })
	b.bytes -= m.Size
	delete(b.ids, m.ID)
}

func (b *batch) elect(m *Member) {
	b.leader = m
	m.turn <- struct{}{}
}
