package gentask

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

// simTrace is what a simulation was seen to do, beside the queue's journal.
type simTrace struct {
	mu     sync.Mutex
	events []Event
	done   map[string]bool // told by an event
	undone map[string]bool // another delivery was given back since, or about then: events come late
	notes  []simNote       // what the workload and the chaos did
}

type simNote struct {
	at   time.Time
	what string
	id   string
	n    int
}

func (n simNote) String() string { return fmt.Sprintf("%s %s %d", n.what, n.id, n.n) }

func (t *simTrace) event(ev Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, ev)
	if ev.Kind == EventDone && ev.Disposition == queue.Ack && ev.Outcome == task.OK {
		t.done[ev.ID] = true
	}
}

// takeBack takes back that a job was done, for good.
func (t *simTrace) takeBack(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.undone[id] = true
}

// wasDone reports whether a job was told to have been done.
func (t *simTrace) wasDone(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.done[id] && !t.undone[id]
}

// told returns the events so far.
func (t *simTrace) told() []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.events)
}

func (t *simTrace) note(what, id string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notes = append(t.notes, simNote{at: time.Now(), what: what, id: id, n: n})
}

// simLine is one line of a trace.
type simLine struct {
	at   time.Time
	text string
}

// hash is the same for two simulations that did the same at the same instants.
func (s *sim) hash() uint64 {
	h := fnv.New64a()
	for _, l := range s.trace.lines(s.q.Journal()) {
		_, _ = fmt.Fprintln(h, l.at.UnixNano(), l.text)
	}
	return h.Sum64()
}

// text is the whole trace, in the order of time.
func (s *sim) text() string {
	lines := s.trace.lines(s.q.Journal())
	slices.SortStableFunc(lines, func(a, b simLine) int { return a.at.Compare(b.at) })
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "%14v  %s\n", l.at.Sub(lines[0].at), l.text)
	}
	return b.String()
}

func (t *simTrace) lines(journal []memory.Entry) []simLine {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := make([]simLine, 0, len(t.notes)+len(t.events)+len(journal))
	for _, n := range t.notes {
		lines = append(lines, simLine{n.at, "        " + n.String()})
	}
	for _, e := range journal {
		text := fmt.Sprintf("queue:  %v session %d tag %d %s attempt %d", e.Op, e.Session, e.Tag, e.ID, e.Attempt)
		if e.Op == memory.Settled || e.Op == memory.Refused {
			text += fmt.Sprintf(" %v %v", e.Disposition, e.Err)
		}
		lines = append(lines, simLine{e.Time, text})
	}
	for _, ev := range t.events {
		lines = append(lines, simLine{ev.Time, "event:  " + describe(ev)})
	}
	return lines
}

func describe(ev Event) string {
	if ev.Kind != EventReceived && ev.Kind != EventStarted && ev.Kind != EventDone {
		return fmt.Sprintf("%v %s (%v)", ev.Kind, ev.ID, ev.Reason)
	}
	return fmt.Sprintf("%v %s attempt %d settlement %v after %v outcome %v queue time %v run time %v",
		ev.Kind, ev.ID, ev.Attempt, ev.Disposition, ev.After, ev.Outcome, ev.QueueTime, ev.RunTime)
}
