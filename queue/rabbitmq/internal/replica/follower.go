package replica

// Follower reads a log, from any offset on, until it has its state, and then follows it. It must be
// made by [NewFollower]. It is used by one goroutine at a time.
type Follower struct {
	state  *State // nil until it is known
	next   int64  // the offset after the last entry; -1 before the first
	lastID string

	newest int64 // offset at which the newest whole snapshot begins; Unknown, FromStart
	count  Count // of what was read
	from   Count // what had been read there

	snapshots map[string]*snapshot // that have begun, and not ended
	backlog   []placed             // what was read since the first of them, while there is no state
}

// Count is an amount of log.
type Count struct{ Entries, Bytes int }

// snapshot is one that is being written.
type snapshot struct {
	offset int64
	from   Count
	seen   int
	parts  []Part // only while there is no state
}

// placed is an entry with its place.
type placed struct {
	offset int64
	*Entry
}

// Applied is an entry that was applied to the state.
type Applied struct {
	*Entry
	Outcome
	Offset int64
}

// NewFollower returns a follower that has read nothing.
func NewFollower() *Follower {
	return &Follower{next: -1, newest: Unknown, snapshots: map[string]*snapshot{}}
}

// State returns the state; nil until it is known.
func (f *Follower) State() *State { return f.state }

// Last returns offset and ID of the last entry. The offset is -1 before the first one.
func (f *Follower) Last() (offset int64, id string) { return f.next - 1, f.lastID }

// Started reports whether an entry was read.
func (f *Follower) Started() bool { return f.next >= 0 }

// Newest returns the offset at which the newest whole snapshot begins, [FromStart] or [Unknown].
func (f *Follower) Newest() int64 { return f.newest }

// Behind returns how much was read since the newest whole snapshot began.
func (f *Follower) Behind() Count {
	return Count{f.count.Entries - f.from.Entries, f.count.Bytes - f.from.Bytes}
}

// perEntry is what an entry counts beside its data.
const perEntry = 100

// Read reads the entry at an offset. It returns what was applied by that, which is more than one
// entry when the state becomes known. An entry before the last is ignored.
func (f *Follower) Read(offset int64, e *Entry, size int) []Applied {
	if !f.advance(offset, e.ID, size) {
		return nil
	}
	if whole := f.observe(offset, e); whole != nil && f.state == nil {
		return f.restore(whole, offset, e)
	}
	if f.state == nil {
		if len(f.snapshots) > 0 {
			f.backlog = append(f.backlog, placed{offset, e})
		}
		return nil
	}
	return []Applied{{e, f.state.Apply(offset, e), offset}}
}

// Skip notes an entry of another program at an offset.
func (f *Follower) Skip(offset int64, size int) { f.advance(offset, "", size) }

// advance notes that an entry was read. It returns false if that was before the last.
func (f *Follower) advance(offset int64, id string, size int) bool {
	if offset < f.next {
		return false
	}
	if !f.Started() && offset == 0 {
		f.state, f.newest = NewState(), FromStart
	}
	f.next, f.lastID = offset+1, id
	f.count.Entries++
	f.count.Bytes += size + perEntry
	return true
}

// observe follows the snapshots. It returns one that is whole by this entry.
func (f *Follower) observe(offset int64, e *Entry) *snapshot {
	switch e.Kind {
	case KindBegin:
		f.snapshots[e.ID] = &snapshot{offset: offset, from: f.count}
	case KindPart:
		if s := f.snapshots[e.Snapshot]; s != nil {
			s.seen++
			if f.state == nil {
				s.parts = append(s.parts, e.Part)
			}
		}
	case KindEnd:
		s := f.snapshots[e.Snapshot]
		delete(f.snapshots, e.Snapshot)
		if s != nil && s.seen == e.Parts {
			f.adopt(s)
			return s
		}
	case KindGenesis, KindRenew, KindPut, KindDelete, KindClear, KindBeat: // no snapshot
	}
	return nil
}

// adopt notes a whole snapshot. Those that have begun before it are of no use.
func (f *Follower) adopt(s *snapshot) {
	if s.offset <= f.newest {
		return
	}
	f.newest, f.from = s.offset, s.from
	for id, other := range f.snapshots {
		if other.offset < s.offset && f.state != nil {
			delete(f.snapshots, id)
		}
	}
}

// restore takes the state of a whole snapshot, and applies what has come behind its begin.
func (f *Follower) restore(s *snapshot, offset int64, e *Entry) (all []Applied) {
	f.state = restore(s.parts)
	for _, one := range append(f.backlog, placed{offset, e}) {
		if one.offset > s.offset {
			all = append(all, Applied{one.Entry, f.state.Apply(one.offset, one.Entry), one.offset})
		}
	}
	f.backlog = nil
	for _, other := range f.snapshots {
		other.parts = nil
	}
	return all
}
