package batching

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Function handles batches. It is told apart by its address: the members of one Function are in
// batches of their own. One Function may be used by several Sets, at the same time.
type Function struct {
	// Size is the most members of a batch. Zero means [Settings.Slots].
	Size int

	// Bytes is the most that the members of a batch may have together; one that is larger is alone.
	// Zero means no limit.
	Bytes int

	// Wait is how long the first member of a batch waits for others.
	Wait time.Duration

	// Call handles a batch, in the task of one of its members. It returns the results by ID, and
	// the error of the members without one. It must not change the slice. It is called
	// concurrently, for different batches.
	Call func(ctx context.Context, members []*Member) (results map[string]error, err error)
}

// Settings are what all batches of a Set have in common.
type Settings struct {
	// Slots is the most members that there are at a time. When so many gather, nothing more can
	// come, and the batch that is due first is handled.
	Slots int

	// Grace is how long a task may go on when it was told to stop, before it counts as abandoned.
	Grace time.Duration
}

// Set holds batches that gather or are handled. Its methods are safe for concurrent use. Make one
// with [New].
type Set struct {
	settings Settings

	mu       sync.Mutex
	members  map[any]*Member  // by owner, those in Join
	open     map[place]*batch // those that gather
	forming  int              // the members of those
	begun    uint64           // the number of batches that were ever open
	draining bool
}

// place is where members meet.
type place struct {
	function *Function
	key      string
}

// New returns an empty Set.
func New(s Settings) *Set {
	return &Set{settings: s, members: map[any]*Member{}, open: map[place]*batch{}}
}

// Drain ends the gathering: each batch is handled now, and a member that joins later waits for no
// other.
func (s *Set) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	for _, b := range s.open {
		s.flush(b, b.members[0])
	}
}

// TimeLeft returns how much longer the batch of the member with the given owner may take, if it may
// take as long as limit from when it is to be handled. The Set does not enforce that. While the
// batch gathers, the rest of its wait is included. TimeLeft returns zero if limit is zero, which is
// no limit, or if there is no such member. It returns zero or less if the time is over.
func (s *Set) TimeLeft(owner any, limit time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.members[owner]
	if m == nil || limit == 0 {
		return 0
	}
	return time.Until(m.batch.due.Add(limit))
}

// patience is how long members wait for a function that should return. It is less than the grace,
// so that none of them counts as abandoned: only the leader is, whose task runs the function.
func (s *Set) patience() time.Duration { return s.settings.Grace / 10 * 9 }

// enter puts m into its batch.
func (s *Set) enter(f *Function, m *Member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members[m.Owner] = m
	if m.Attempt > 1 {
		s.single(f, m)
		return
	}
	at := place{f, m.Key}
	if b := s.open[at]; b != nil && !b.takes(m) {
		s.flush(b, b.members[0])
	}
	b := s.open[at]
	if b == nil {
		b = s.begin(at)
	}
	b.add(m)
	s.forming++
	switch {
	case len(b.members) == cmp.Or(f.Size, s.settings.Slots), b.full(), s.draining:
		s.flush(b, m) // it came last, and has the most time left
	case s.forming >= s.settings.Slots:
		next := s.nextDue()
		s.flush(next, next.members[0])
	}
}

// single makes a batch of one of a member that was tried before. It may have made its last batch
// fail, and has cost its neighbours there an attempt.
func (s *Set) single(f *Function, m *Member) {
	b := newBatch(place{f, m.Key}, time.Now())
	b.add(m)
	b.elect(m)
}

func (s *Set) begin(at place) *batch {
	b := newBatch(at, time.Now().Add(at.function.Wait))
	b.serial = s.begun
	b.timer = time.AfterFunc(at.function.Wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open[at] == b {
			s.flush(b, b.members[0])
		}
	})
	s.begun++
	s.open[at] = b
	return b
}

// nextDue returns the batch that gathers and is due first.
func (s *Set) nextDue() *batch {
	return slices.MinFunc(slices.Collect(maps.Values(s.open)), func(a, b *batch) int {
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.serial, b.serial))
	})
}

// flush ends the gathering of b.
func (s *Set) flush(b *batch, leader *Member) {
	s.close(b)
	s.forming -= len(b.members)
	b.due = time.Now()
	b.elect(leader)
}

func (s *Set) close(b *batch) {
	b.timer.Stop()
	delete(s.open, b.place)
}

// leave takes m out of its batch, and reports whether it could: a batch that is handled keeps its
// members.
func (s *Set) leave(m *Member) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := m.batch
	if b.handled {
		return false
	}
	b.remove(m)
	if b.leader == nil {
		s.forming--
		if len(b.members) == 0 {
			s.close(b)
		}
	} else if b.leader == m && len(b.members) > 0 {
		b.elect(b.members[0])
	}
	return true
}

// forget is the end of a member.
func (s *Set) forget(m *Member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.members[m.Owner] == m {
		delete(s.members, m.Owner)
	}
}
