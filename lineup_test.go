package gentask

import (
	"fmt"
	"hash/fnv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/queue"
)

// fakeGate says what it is told to, by entry, and checks that the lineup keeps its side of the contract.
type fakeGate struct {
	fail    func(format string, args ...any)
	verdict func(e *entry) (verdict, time.Time)
	heard   map[*entry]string
}

func (g *fakeGate) pass(e *entry, _ time.Time) (verdict, time.Time) { return g.verdict(e) }

func (g *fakeGate) begun(e *entry, _ time.Time) { g.hear(e, "b", "") }
func (g *fakeGate) ended(e *entry, _ time.Time) {
	g.hear(e, "e", "b", "bg")
	if status, ran := e.result(); status != 0 || ran != 0 {
		g.fail("entry %d had no task, and %v after %v", e.serial, status, ran)
	}
}
func (g *fakeGate) gone(e *entry, _ time.Time) { g.hear(e, "g", "", "b", "be") }

func (g *fakeGate) hear(e *entry, what string, after ...string) {
	for _, a := range after {
		if g.heard[e] == a {
			g.heard[e] = a + what
			return
		}
	}
	g.fail("entry %d: the gate hears %q after %q", e.serial, what, g.heard[e])
}

// lineupModel is a lineup beside the simplest thing that could be right: a slice of all that was pushed, in order of arrival.
type lineupModel struct {
	t      *rapid.T
	real   *lineup
	gates  []*fakeGate
	now    time.Time
	serial uint64

	waiting []*entry
	working []*entry // begun, and neither lost nor ended
	lost    []*entry // lost while at work
	ended   []*entry // and not yet settled
	closed  map[*entry]bool
	shut    map[string]bool // what the gates hold back, by gate and entry
	none    bool            // the last gate holds back all
}

func newLineupModel(t *rapid.T) *lineupModel {
	m := &lineupModel{t: t, now: time.Unix(0, 0), closed: map[*entry]bool{}, shut: map[string]bool{}}
	var gates []gate
	for i := range rapid.IntRange(0, 2).Draw(t, "gates") {
		g := &fakeGate{fail: t.Fatalf, heard: map[*entry]string{}}
		g.verdict = func(e *entry) (verdict, time.Time) {
			switch {
			case m.none && i == 0:
				return block, time.Time{}
			case m.shut[fmt.Sprint(i, e.serial)]:
				return skip, time.Time{}
			}
			return admit, time.Time{}
		}
		m.gates, gates = append(m.gates, g), append(gates, g)
	}
	m.real = newLineup(gates)
	return m
}

func (m *lineupModel) draw(name string, of ...string) string {
	return rapid.SampledFrom(of).Draw(m.t, name)
}

// entryOf returns an entry whose message is told by its id alone; one without is like no other.
func entryOf(serial uint64, id string) *entry {
	e := &entry{serial: serial, delivery: &queue.Delivery{Message: queue.Message{ID: id}}}
	if id != "" {
		h := fnv.New64a()
		_, _ = h.Write([]byte(id)) // a hash takes everything
		e.identity = identity{id: h.Sum64()}
	}
	return e
}

func (m *lineupModel) push(t *rapid.T) {
	m.serial++
	e := entryOf(m.serial, m.draw("id", "", "a", "b", fmt.Sprint(m.serial)))
	if rapid.Bool().Draw(t, "keys") {
		e.spot.terms = &terms{order: m.draw("order", "", "x", "y"), fair: m.draw("fair", "", "p", "q")}
	}
	for i := range m.gates {
		m.shut[fmt.Sprint(i, e.serial)] = rapid.IntRange(0, 3).Draw(t, "shut") == 0
	}
	m.waiting = append(m.waiting, e)
	m.real.push(e)
}

// blocked says whether e waits for an earlier one.
func (m *lineupModel) blocked(e *entry) bool {
	for _, other := range [][]*entry{m.waiting, m.working, m.lost} {
		for _, o := range other {
			if o.serial < e.serial && (same(o.delivery.ID, e.delivery.ID) || same(o.spot.order(), e.spot.order())) {
				return true
			}
		}
	}
	return false
}

func same(a, b string) bool { return a != "" && a == b }

// free says whether nothing holds e back.
func (m *lineupModel) free(e *entry) bool {
	if m.blocked(e) || (len(m.gates) > 0 && m.none) || (e.spot.terms != nil && m.now.Before(e.spot.terms.notBefore)) {
		return false
	}
	for i := range m.gates {
		if m.shut[fmt.Sprint(i, e.serial)] {
			return false
		}
	}
	return true
}

// next starts what the lineup names, and checks that it is the first of those with its fairness key that may be, and that there is none if it
// names none.
func (m *lineupModel) next(*rapid.T) {
	e, again := m.real.next(m.now)
	for _, w := range m.waiting {
		if !m.free(w) {
			continue
		}
		if e == nil {
			m.t.Fatalf("%d may be started, and none is named; asked again at %v", w.serial, again)
		}
		if w.spot.fair() == e.spot.fair() {
			require.Equal(m.t, w.serial, e.serial, "the first that may be started")
			break
		}
	}
	if e == nil {
		m.requireAsksAgain(again)
		return
	}
	require.True(m.t, m.free(e), "%d was held back, and is named", e.serial)
	m.real.begun(e, m.now)
	m.waiting, m.working = without(m.waiting, e), append(m.working, e)
}

// requireAsksAgain checks that nothing that waits for its time alone is slept through.
func (m *lineupModel) requireAsksAgain(again time.Time) {
	for _, e := range m.waiting {
		if e.spot.terms == nil || m.blocked(e) || (m.none && len(m.gates) > 0) || !m.now.Before(e.spot.terms.notBefore) {
			continue
		}
		require.False(m.t, again.IsZero() || again.After(e.spot.terms.notBefore), "%d waits until %v, asked again at %v",
			e.serial, e.spot.terms.notBefore, again)
	}
}

func (m *lineupModel) end(*rapid.T) {
	e := m.one("ended", m.working, m.lost)
	if e == nil {
		return
	}
	m.real.ended(e, m.now)
	if !m.closed[e] {
		m.ended = append(m.ended, e)
	}
	m.working, m.lost = without(m.working, e), without(m.lost, e)
}

func (m *lineupModel) again(t *rapid.T) {
	e := m.one("again", m.working)
	if e == nil {
		return
	}
	n := &entry{serial: e.serial, delivery: e.delivery, identity: e.identity}
	m.real.pushAgain(e, n, m.now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "after"))*time.Second), m.now)
	m.closed[e] = true
	m.working, m.waiting = without(m.working, e), append(m.waiting, n)
	for i := len(m.waiting) - 1; i > 0 && m.waiting[i-1].serial > n.serial; i-- {
		m.waiting[i-1], m.waiting[i] = m.waiting[i], m.waiting[i-1]
	}
}

func (m *lineupModel) gone(*rapid.T) {
	e := m.one("gone", m.working, m.waiting, m.ended)
	if e == nil {
		return
	}
	m.real.gone(e, m.now)
	m.closed[e] = true
	for _, w := range m.working {
		if w == e {
			m.lost = append(m.lost, e)
		}
	}
	m.working, m.waiting, m.ended = without(m.working, e), without(m.waiting, e), without(m.ended, e)
}

func (m *lineupModel) take(*rapid.T) {
	require.Equal(m.t, serials(m.waiting), serials(m.real.take()))
	m.ended, m.waiting = append(m.ended, m.waiting...), nil
}

func (m *lineupModel) open(t *rapid.T) {
	if rapid.Bool().Draw(t, "all") {
		m.none = !m.none
	} else {
		clear(m.shut)
	}
	m.real.stir()
}

func (m *lineupModel) wait(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond)
}

func (m *lineupModel) check(t *rapid.T) {
	if faults := faultsOf(m.real); len(faults) > 0 {
		t.Fatal(faults)
	}
	require.Equal(t, len(m.waiting), m.real.len())
}

func (m *lineupModel) one(name string, of ...[]*entry) *entry {
	var all []*entry
	for _, entries := range of {
		all = append(all, entries...)
	}
	if len(all) == 0 {
		return nil
	}
	return rapid.SampledFrom(all).Draw(m.t, name)
}

func without(entries []*entry, e *entry) []*entry {
	var rest []*entry
	for _, x := range entries {
		if x != e {
			rest = append(rest, x)
		}
	}
	return rest
}

func serials(entries []*entry) []uint64 {
	all := make([]uint64, len(entries))
	for i, e := range entries {
		all[i] = e.serial
	}
	return all
}

// TestLineup_Model: the lineup names what the simplest model of it allows, the first that may be started, and none only if none may be.
// Nothing is lost, nothing is named twice, and in the end, with every gate open, everything has had its turn.
func TestLineup_Model(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newLineupModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"": m.check, "push": m.push, "next": m.next, "end": m.end, "again": m.again, "gone": m.gone, "take": m.take, "open": m.open,
			"wait": m.wait,
		})
		m.finish()
	})
}

func (m *lineupModel) finish() {
	clear(m.shut)
	m.none = false
	m.real.stir()
	m.now = m.now.Add(time.Hour)
	for len(m.waiting)+len(m.working)+len(m.lost) > 0 {
		before := len(m.waiting)
		m.next(m.t)
		if len(m.waiting) == before && len(m.working)+len(m.lost) == 0 {
			m.t.Fatalf("%d wait for nothing", before)
		}
		for _, e := range append(m.working, m.lost...) {
			m.real.ended(e, m.now)
		}
		m.working, m.lost = nil, nil
	}
	require.Empty(m.t, m.real.ids.by)
	require.Empty(m.t, m.real.orders.by)
	require.Empty(m.t, m.real.turns.by)
}

// lineUp returns n entries, with the keys that keyed gives them.
func lineUp(l *lineup, n int, keyed func(i int) *terms) []*entry {
	all := make([]*entry, n)
	for i := range all {
		all[i] = entryOf(uint64(i+1), fmt.Sprint(i)) //nolint:gosec // a count
		if keyed != nil {
			all[i].spot.terms = keyed(i)
		}
		l.push(all[i])
	}
	return all
}

// TestLineup_TurnsAreFair: of a thousand of one key and ten of another, taken as they come, every other one is the other's.
func TestLineup_TurnsAreFair(t *testing.T) {
	l := newLineup(nil)
	lineUp(l, 1010, func(i int) *terms {
		if i < 1000 {
			return &terms{fair: "many"}
		}
		return &terms{fair: "few"}
	})
	var order []string
	for range 20 {
		e, _ := l.next(time.Now())
		order = append(order, e.spot.fair())
	}
	for i, key := range order {
		require.Equal(t, []string{"many", "few"}[i%2], key, "turn %d", i)
	}
}

// TestLineup_NobodyIsAskedTwiceForNothing: a thousand that are held back are asked once, not once for each that comes.
func TestLineup_NobodyIsAskedTwiceForNothing(t *testing.T) {
	const waiting = 1000
	asked := 0
	l := newLineup([]gate{&fakeGate{verdict: func(*entry) (verdict, time.Time) { asked++; return skip, time.Time{} }}})
	for i := range waiting {
		l.push(entryOf(uint64(i), fmt.Sprint(i))) //nolint:gosec // a count
		e, again := l.next(time.Now())
		require.Nil(t, e)
		require.Zero(t, again)
	}
	require.Equal(t, waiting, asked)
	l.stir()
	l.next(time.Now())
	require.Equal(t, 2*waiting, asked)
}

// TestLineup_NoPolicyNoAllocation: without gates and keys, a turn through the lineup allocates nothing.
func TestLineup_NoPolicyNoAllocation(t *testing.T) {
	l := newLineup(nil)
	e := lineUp(l, 1, nil)[0]
	now := time.Now()
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		l.next(now)
		l.begun(e, now)
		l.ended(e, now)
		l.gone(e, now)
		l.push(e)
	}))
}
