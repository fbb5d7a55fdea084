package fleet

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
)

// state is all that is commanded, as far as a node has seen it. It is pure: it has neither lock nor
// goroutine.
type state struct {
	records map[string]*seen
	// staged are the records of a store that is read from the beginning; nil when it was read.
	// Until then, records is what counts.
	staged map[string]*seen
}

// seen is a record that was seen.
type seen struct {
	queue.Revision
	*record       // nil if it is refused
	err     error // why it is refused
}

func newState() *state { return &state{records: map[string]*seen{}, staged: map[string]*seen{}} }

// begin is called when a watch begins.
func (s *state) begin() { s.staged = map[string]*seen{} }

// feed takes one change. It reports whether what counts has changed.
func (s *state) feed(c queue.Change) (changed bool) {
	switch c.Kind {
	case queue.ChangeSet:
		return s.set(c.Record)
	case queue.ChangeGone:
		return s.gone(c.Record)
	case queue.ChangeReset:
		s.begin()
	case queue.ChangeCurrent:
		if s.staged == nil {
			return false
		}
		s.records, s.staged = s.staged, nil
		return true
	case queue.ChangeAlive:
	}
	return false
}

// into returns the records that a change is for, and reports whether they count.
func (s *state) into() (records map[string]*seen, counts bool) {
	if s.staged != nil {
		return s.staged, false
	}
	return s.records, true
}

func (s *state) set(r queue.Record) bool {
	records, counts := s.into()
	if old := records[r.Key]; old != nil && old.Revision >= r.Revision {
		return false
	}
	parsed, err := read(r.Key, r.Value)
	records[r.Key] = &seen{Revision: r.Revision, record: parsed, err: err}
	return counts
}

func (s *state) gone(r queue.Record) bool {
	records, counts := s.into()
	old := records[r.Key]
	if old == nil || r.Revision != 0 && old.Revision > r.Revision {
		return false
	}
	delete(records, r.Key)
	return counts
}

// overrides returns what is commanded at a place, and why records that are for it can't be
// followed, by key. These have no effect on the others.
func (s *state) overrides(at place) (o gentask.Overrides, refused map[string]error) {
	refused = map[string]error{}
	cancelled := 0
	for _, key := range s.inOrder() {
		r := s.records[key]
		if r.record == nil || !r.concerns(at) {
			continue
		}
		if r.Kind == kindConcurrency { // the rest is the same at all places, and was checked
			if err := r.check(at.prefetch); err != nil {
				refused[key] = err
				continue
			}
		}
		if r.Kind == kindCancelled && r.On {
			if cancelled++; cancelled > gentask.MaxCancelled {
				refused[key] = fmt.Errorf("%w: %d newer jobs are cancelled", ErrRecord, gentask.MaxCancelled)
				continue
			}
		}
		r.apply(&o)
	}
	return o, refused
}

// inOrder returns the keys of the records, the newest first.
func (s *state) inOrder() []string {
	return slices.SortedFunc(maps.Keys(s.records), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.records[b].Revision, s.records[a].Revision), cmp.Compare(a, b))
	})
}

// newest returns the largest revision of the records.
func (s *state) newest() (newest queue.Revision) {
	for _, r := range s.records {
		newest = max(newest, r.Revision)
	}
	return newest
}

// refused returns why records are no commands, by key.
func (s *state) refused() map[string]error {
	all := map[string]error{}
	for key, r := range s.records {
		if r.err != nil {
			all[key] = r.err
		}
	}
	return all
}
