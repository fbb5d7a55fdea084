package breaker

import (
	"fmt"
	"time"
)

// State is the state of a breaker. The set is closed.
type State uint8

const (
	// Closed admits all runs. It is the normal state.
	Closed State = iota
	// Open admits no run until it is time for a probe.
	Open
	// Probing admits one run at a time. Its result closes the breaker, or opens it again.
	Probing
)

// String returns the state's name.
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case Open:
		return "open"
	case Probing:
		return "probing"
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Result is what a run shows about the dependency of its job. The set is closed.
type Result uint8

const (
	// Nothing is the result of a run that was interrupted, or failed by itself.
	Nothing Result = iota
	// Good means that the dependency works.
	Good
	// Bad means that the dependency may be down.
	Bad
)

// Settings configure a [Machine]. All of them must be positive.
type Settings struct {
	// FailureRate is the share of bad runs, up to 1, at which the breaker opens.
	FailureRate float64
	// Window is the time for which runs count.
	Window time.Duration
	// MinRuns is how many runs must be in the window before the breaker opens.
	MinRuns int
	// Wait returns how long to stay open after the nth opening in a row, from 1.
	Wait func(n int) time.Duration
}

// Ticket identifies one run that a machine has admitted.
type Ticket struct {
	round uint64
	probe bool
}

// Machine is one breaker.
type Machine struct {
	settings Settings
	window   window
	state    State
	round    uint64 // counts the changes of state: runs of other rounds don't count
	opened   int    // in a row
	since    time.Time
	next     time.Time // of the next probe, while it is open
	probing  bool      // a probe runs
}

// New returns a machine that is closed.
func New(s Settings) *Machine { return &Machine{settings: s, window: newWindow(s.Window)} }

// State returns the state as of the last call that had a time.
func (m *Machine) State() State { return m.state }

// Since returns the begin of the state, or zero if it is the first.
func (m *Machine) Since() time.Time { return m.since }

// NextProbe returns when an open breaker admits a probe, or zero if it isn't open.
func (m *Machine) NextProbe() time.Time {
	if m.state != Open {
		return time.Time{}
	}
	return m.next
}

// Idle reports whether the machine is equal to a new one.
func (m *Machine) Idle(now time.Time) bool { return m.state == Closed && m.window.sum(now).runs() == 0 }

// Admits reports whether a run may begin. An open breaker whose time is up becomes probing.
func (m *Machine) Admits(now time.Time) bool {
	if m.state == Open && !now.Before(m.next) {
		m.turn(Probing, now)
	}
	switch m.state {
	case Closed:
		return true
	case Open:
		return false
	case Probing:
		return !m.probing
	}
	return true
}

// Begin notes that an admitted run has begun.
func (m *Machine) Begin() Ticket {
	m.probing = m.state == Probing
	return Ticket{round: m.round, probe: m.probing}
}

// End notes the result of a run. A run that began before the last change of state doesn't count.
func (m *Machine) End(t Ticket, now time.Time, r Result) {
	if t.round != m.round {
		return
	}
	m.probing = m.probing && !t.probe
	switch {
	case r == Nothing, m.state == Open:
	case m.state == Closed:
		m.window.add(now, r == Bad)
		if m.tooBad(now) {
			m.open(now)
		}
	case r == Good:
		m.opened = 0
		m.turn(Closed, now)
	default:
		m.open(now)
	}
}

// Close closes the machine. It forgets the runs so far, and how often the machine has opened in
// a row.
func (m *Machine) Close(now time.Time) {
	m.opened = 0
	if m.state != Closed {
		m.turn(Closed, now)
		return
	}
	m.Forget()
	m.window.clear()
}

// Forget drops the runs that have begun: their ends are not reported.
func (m *Machine) Forget() {
	m.round++
	m.probing = false
}

func (m *Machine) tooBad(now time.Time) bool {
	sum := m.window.sum(now)
	return sum.runs() >= m.settings.MinRuns && float64(sum.bad) >= m.settings.FailureRate*float64(sum.runs())
}

func (m *Machine) open(now time.Time) {
	m.opened++
	m.turn(Open, now)
	m.next = now.Add(m.settings.Wait(m.opened))
}

func (m *Machine) turn(to State, now time.Time) {
	m.Forget()
	m.window.clear()
	m.state, m.since = to, now
}
