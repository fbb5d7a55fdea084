package replica

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gentask/gentask/queue"
)

// MaxSize is the most bytes of all records of a store together, each with its key and a hundred
// bytes more. A write beyond it is refused.
const MaxSize = 8 << 20

// perRecord is what a record counts beside its key and its value.
const perRecord = 100

// ErrOther is the outcome of an entry for another incarnation. Nothing was written.
var ErrOther = errors.New("the store was made again")

// Kept is a record of a [State].
type Kept struct {
	queue.Record

	// Keep is how long it is to be kept after it was put; zero for good.
	Keep time.Duration

	// Since is the state's clock when it was put.
	Since time.Duration
}

// State is the result of a log. Two states to which the same entries were applied are the same.
//
// Its clock is the sum of times that programs have measured, each from after it had read one entry
// to before it sent another. So it is never fast, and no clocks of programs are compared. It stands
// still while no program reads the log.
type State struct {
	incarnation string
	base        uint64 // of revisions: that of an entry is the sum of this and its offset
	clock       time.Duration
	ticked      int64 // offset of the entry that has advanced the clock last
	records     map[string]Kept
	size        int
}

// NewState returns the state of an empty log.
func NewState() *State { return &State{ticked: -1, records: map[string]Kept{}} }

// Outcome is what became of an entry.
type Outcome struct {
	// Revision is that of the record which was put.
	Revision queue.Revision

	// Err is nil, queue.ErrConflict, queue.ErrTooLarge, or ErrOther.
	Err error

	// Changed are the keys of records that were put or removed.
	Changed []string

	// Renewed reports whether another incarnation has begun.
	Renewed bool

	// Ticked reports whether the clock was advanced, or started.
	Ticked bool
}

// Incarnation returns the name of the incarnation, empty if none has begun.
func (s *State) Incarnation() string { return s.incarnation }

// Get returns the record of key.
func (s *State) Get(key string) (Kept, bool) {
	k, found := s.records[key]
	return k, found
}

// All returns the records with a prefix, in the order of their revisions.
func (s *State) All(prefix string) []Kept {
	var all []Kept
	for key, k := range s.records {
		if queue.HasPrefix(key, prefix) {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b Kept) int { return cmp.Compare(a.Revision, b.Revision) })
	return all
}

// Count returns the number of records with a prefix.
func (s *State) Count(prefix string) int {
	n := 0
	for key := range s.records {
		if queue.HasPrefix(key, prefix) {
			n++
		}
	}
	return n
}

// Ticked returns the offset of the entry that has advanced the clock last.
func (s *State) Ticked() int64 { return s.ticked }

// Remaining returns for how long a record is still to be kept, by the clock of the log. It is not
// too short.
func (s *State) Remaining(k Kept) time.Duration { return k.Keep - (s.clock - k.Since) }

// Apply applies the entry at an offset.
func (s *State) Apply(offset int64, e *Entry) Outcome {
	if e.Kind == KindGenesis {
		return s.begin(offset, e)
	}
	if e.Incarnation != s.incarnation || s.incarnation == "" {
		return Outcome{Err: ErrOther}
	}
	switch e.Kind {
	case KindPut:
		return s.put(offset, e)
	case KindDelete:
		return s.remove(e)
	case KindClear:
		return s.clear(e.Key)
	case KindBeat:
		return Outcome{Ticked: s.tick(offset, e)}
	case KindRenew:
		return s.renew(offset, e)
	case KindGenesis, KindBegin, KindPart, KindEnd: // a snapshot changes nothing
	}
	return Outcome{}
}

func (s *State) begin(offset int64, e *Entry) Outcome {
	if s.incarnation != "" {
		return Outcome{Err: ErrOther}
	}
	s.incarnation, s.base, s.ticked = e.ID, uint64(e.Since), offset //nolint:gosec // of a positive number
	return Outcome{Renewed: true, Ticked: true}
}

// renew makes revisions larger than those that the writer has seen.
func (s *State) renew(offset int64, e *Entry) Outcome {
	s.incarnation = e.ID
	s.base += uint64(max(0, e.Since-offset)) //nolint:gosec // it is not negative
	return Outcome{Renewed: true}
}

func (s *State) tick(offset int64, e *Entry) bool {
	if e.Since != s.ticked || e.Elapsed <= 0 {
		return false
	}
	s.clock += e.Elapsed
	s.ticked = offset
	return true
}

func (s *State) meets(e *Entry) bool {
	return e.Condition == queue.Always || e.Condition == s.records[e.Key].Revision
}

func (s *State) put(offset int64, e *Entry) Outcome {
	if !s.meets(e) {
		return Outcome{Err: queue.ErrConflict}
	}
	size := s.size - sizeOf(s.records[e.Key]) + sizeOf(Kept{Record: queue.Record{Key: e.Key, Value: e.Value}})
	if size > MaxSize {
		return Outcome{Err: fmt.Errorf("%w: the store is full: its records have %d bytes, and must have at most %d",
			queue.ErrTooLarge, s.size, MaxSize)}
	}
	revision := queue.Revision(s.base + uint64(offset)) //nolint:gosec // offsets are not negative
	s.records[e.Key] = Kept{
		Record: queue.Record{Key: e.Key, Value: e.Value, Revision: revision}, Keep: e.Keep, Since: s.clock,
	}
	s.size = size
	return Outcome{Revision: revision, Changed: []string{e.Key}}
}

func (s *State) remove(e *Entry) Outcome {
	if !s.meets(e) {
		return Outcome{Err: queue.ErrConflict}
	}
	return Outcome{Changed: s.drop(e.Key)}
}

func (s *State) clear(prefix string) (o Outcome) {
	for key := range s.records {
		if queue.HasPrefix(key, prefix) {
			o.Changed = append(o.Changed, s.drop(key)...)
		}
	}
	return o
}

func (s *State) drop(key string) []string {
	k, found := s.records[key]
	if !found {
		return nil
	}
	s.size -= sizeOf(k)
	delete(s.records, key)
	return []string{key}
}

func sizeOf(k Kept) int {
	if k.Key == "" {
		return 0
	}
	return len(k.Key) + len(k.Value) + perRecord
}

// Size returns the bytes of all records, as MaxSize counts them.
func (s *State) Size() int { return s.size }

// Parts returns the state as the parts of a snapshot, of about so many bytes each. There is at
// least one. They share the values of the records, which are not changed.
func (s *State) Parts(about int) []Part {
	head := Part{Incarnation: s.incarnation, Base: s.base, Clock: s.clock, Ticked: s.ticked}
	parts, size := []Part{head}, 0
	for _, key := range slices.Sorted(maps.Keys(s.records)) {
		if size > about {
			parts, size = append(parts, head), 0
		}
		last := &parts[len(parts)-1]
		last.Records = append(last.Records, s.records[key])
		size += sizeOf(s.records[key])
	}
	return parts
}

// restore returns the state of some parts, in any order.
func restore(parts []Part) *State {
	s := NewState()
	for _, p := range parts {
		s.incarnation, s.base, s.clock, s.ticked = p.Incarnation, p.Base, p.Clock, p.Ticked
		for _, k := range p.Records {
			s.records[k.Key] = k
			s.size += sizeOf(k)
		}
	}
	return s
}
