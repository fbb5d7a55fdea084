package schedule

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/gentask/gentask/queue"
)

// state is what a watch has yielded: the plans of a set, their last firings, and the firings that
// were asked for, by name.
type state struct {
	of      *Plans
	plans   map[string]known
	fired   map[string]mark
	asked   map[string]askedRecord
	current bool // nothing that was there before is missing
}

// known is one plan of the store.
type known struct {
	revision queue.Revision
	record   *planRecord
	table    timetable
	err      error // why this program can't run it
}

// mark is the last firing of a plan, as the store has it.
type mark struct {
	planned  time.Time
	revision queue.Revision
}

func newState(of *Plans) *state {
	s := &state{of: of}
	s.reset()
	return s
}

func (s *state) reset() {
	s.plans, s.fired, s.asked = map[string]known{}, map[string]mark{}, map[string]askedRecord{}
	s.current = false
}

// take adds a change. It returns the name of the plan that it is about; empty for none, and for one
// whose last firing was noted.
func (s *state) take(c queue.Change) (plan string) {
	switch c.Kind {
	case queue.ChangeSet, queue.ChangeGone:
		return s.set(c.Record, c.Kind == queue.ChangeGone)
	case queue.ChangeReset:
		s.reset()
	case queue.ChangeCurrent:
		s.current = true
	case queue.ChangeAlive:
	}
	return ""
}

// set adds a record, or takes it away.
func (s *state) set(record queue.Record, gone bool) (plan string) {
	kind, part := s.of.parseKey(record.Key)
	name := decodeName(part)
	switch {
	case kind == "fired" && gone:
		delete(s.fired, name)
		return ""
	case kind == "fired":
		s.fired[name] = mark{decodeFired(record.Value), record.Revision}
		return ""
	case kind == "asked" && gone:
		delete(s.asked, name)
	case kind == "asked":
		s.asked[name] = decodeAsked(record.Value)
	case kind == "plan" && gone:
		delete(s.plans, name)
	case kind == "plan":
		s.plans[name] = s.read(record, name)
	default:
		return "" // of a newer program
	}
	return name
}

// askedOf returns the firings that were asked for of a plan.
func (s *state) askedOf(name string) []time.Time {
	k, there := s.plans[name]
	if !there || k.err != nil {
		return nil
	}
	return s.asked[name].of(k.record)
}

// read returns the plan in a record.
func (s *state) read(record queue.Record, name string) known {
	r, err := decodePlan(record.Value)
	if err == nil && r.Name != name {
		err = fmt.Errorf("%w: the plan is that of the name %.80q", queue.ErrUnknown, r.Name)
	}
	if err != nil {
		return known{revision: record.Revision, err: err}
	}
	table, err := r.timetable()
	return known{revision: record.Revision, record: r, table: table, err: err}
}

// decodeName reverses [queue.EncodeKey], as far as it can.
func decodeName(part string) string {
	if name, err := url.PathUnescape(strings.ReplaceAll(part, "=", "%")); err == nil {
		return name
	}
	return part
}
