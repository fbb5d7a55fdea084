package breaker

import (
	"fmt"
	"time"
)

// State is what a breaker lets through. The set is closed.
type State uint8

const (
	// Closed lets everything run. The normal state.
	Closed State = iota
	// Open lets nothing run until it is time for a probe.
	Open
	// Probing lets one run at a time: its result closes the breaker, or opens it again.
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

// Result is what a run says about what its job depends on. The set is closed.
type Result uint8

const (
	// Nothing says that the run was interrupted, or failed by itself.
	Nothing Result = iota
	// Good says that it is there.
	Good
	// Bad says that it may be down.
	Bad
)

// Settings are a machine's. All of them are positive.
type Settings struct {
	// FailureRate is the share of bad runs, up to 1, at which the breaker opens.
	FailureRate float64
	// Window is how far back runs count.
	Window time.Duration
	// MinRuns is how many runs must be in the window before it opens.
	MinRuns int
	// Wait says how long to stay open after the nth opening in a row, from 1.
	Wait func(n int) time.Duration
}

// Ticket is of one run that a machine let through.
type Ticket struct {
	round uint64
	probe bool
}

// Machine is one breaker.
type Machine struct {
	settings Settings
	window   window
	state    State
	round    uint64 // counts the changes of state: what was begun in another round says nothing about this one
	opened   int    // in a row
	since    time.Time
	next     time.Time // of the next probe, while it is open
	probing  bool      // a probe is on its way
}

// New returns a machine that is closed.
func New(s Settings) *Machine { return &Machine{settings: s, window: newWindow(s.Window)} }

// State returns the state as of the last call that had a time.
func (m *Machine) State() State { return m.state }

// Since returns when the state began; zero if it is the first.
func (m *Machine) Since() time.Time { return m.since }

// NextProbe returns when an open breaker lets a probe through; zero when it isn't open.
func (m *Machine) NextProbe() time.Time {
	if m.state != Open {
		return time.Time{}
	}
	return m.next
}

// Idle says that the machine is as good as a new one.
func (m *Machine) Idle(now time.Time) bool { return m.state == Closed && m.window.sum(now).runs() == 0 }

// Admits says whether a run may begin. An open breaker whose time is up turns to probing.
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

// Begin notes that a run which was admitted has begun.
func (m *Machine) Begin() Ticket {
	m.probing = m.state == Probing
	return Ticket{round: m.round, probe: m.probing}
}

// End notes how a run ended. What was begun before the last change of state says nothing any more.
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

// Forget drops what is on its way: nobody will tell how it ended.
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
