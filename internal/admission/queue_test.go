package admission

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// fakeGate answers what it is told to, and checks that the queue keeps the contract of Gate.
type fakeGate struct {
	fail   func(format string, args ...any)
	answer func(it *Item) Answer
	calls  map[*Item]string
}

func (g *fakeGate) Pass(it *Item, _ time.Time) Answer { return g.answer(it) }

func (g *fakeGate) Started(it *Item, _ time.Time)         { g.call(it, "s", "") }
func (g *fakeGate) Ended(it *Item, _ Result, _ time.Time) { g.call(it, "e", "s", "sg") }
func (g *fakeGate) Gone(it *Item, _ Fate, _ time.Time)    { g.call(it, "g", "", "s", "se") }

func (g *fakeGate) call(it *Item, what string, after ...string) {
	for _, a := range after {
		if g.calls[it] == a {
			g.calls[it] = a + what
			return
		}
	}
	g.fail("item %d: %q is called after %q", it.Serial, what, g.calls[it])
}

// queueModel is a Queue beside the simplest thing that could be right: a slice of all that was
// pushed, in the order of arrival.
type queueModel struct {
	t      *rapid.T
	real   *Queue
	gates  []*fakeGate
	now    time.Time
	serial uint64

	waiting  []*Item
	working  []*Item // started, and neither lost nor ended
	lost     []*Item // lost while at work
	ended    []*Item // and not yet settled
	returned []*Item // taken out by GiveBack, and not yet gone
	closed   map[*Item]bool
	shut     map[string]AnswerKind // what the gates answer, by gate and item
	none     bool                  // the first gate blocks
}

func newQueueModel(t *rapid.T) *queueModel {
	m := &queueModel{t: t, now: time.Unix(0, 0), closed: map[*Item]bool{}, shut: map[string]AnswerKind{}}
	var gates []Gate
	for i := range rapid.IntRange(0, 2).Draw(t, "gates") {
		g := &fakeGate{fail: t.Fatalf, calls: map[*Item]string{}}
		g.answer = func(it *Item) Answer {
			if m.none && i == 0 {
				return Answer{Kind: Block}
			}
			return Answer{Kind: m.shut[fmt.Sprint(i, it.Serial)]}
		}
		m.gates, gates = append(m.gates, g), append(gates, g)
	}
	m.real = NewQueue(gates)
	return m
}

func (m *queueModel) draw(name string, of ...string) string {
	return rapid.SampledFrom(of).Draw(m.t, name)
}

// idOf returns the identity of a message that is told by its id alone. The empty one is of none.
func idOf(id string) Identity {
	var n uint64
	for _, b := range []byte(id) {
		n = n<<8 | uint64(b)
	}
	return Identity{ID: n}
}

func (m *queueModel) push(t *rapid.T) {
	m.serial++
	it := &Item{Serial: m.serial, Identity: idOf(m.draw("id", "", "a", "b", fmt.Sprint(m.serial)))}
	if rapid.Bool().Draw(t, "keys") {
		it.Keys = &Keys{Order: m.draw("order", "", "x", "y"), Fair: m.draw("fair", "", "p", "q")}
	}
	for i := range m.gates {
		kinds := []AnswerKind{Admit, Admit, Admit, Skip, Skip, GiveBack}
		m.shut[fmt.Sprint(i, it.Serial)] = rapid.SampledFrom(kinds).Draw(t, "answer")
	}
	m.waiting = append(m.waiting, it)
	m.real.Push(it)
}

// blocked reports whether an item waits for an earlier one.
func (m *queueModel) blocked(it *Item) bool {
	for _, others := range [][]*Item{m.waiting, m.working, m.lost, m.returned} {
		for _, o := range others {
			if o.Serial < it.Serial && shareChain(o, it) {
				return true
			}
		}
	}
	return false
}

func shareChain(a, b *Item) bool {
	order := a.keys().Order
	return a.Identity != Identity{} && a.Identity == b.Identity || order != "" && order == b.keys().Order
}

// answer returns what the gates must answer together.
func (m *queueModel) answer(it *Item) AnswerKind {
	switch {
	case m.blocked(it), m.now.Before(it.keys().NotBefore):
		return Skip
	case m.none && len(m.gates) > 0:
		return Block
	}
	for i := range m.gates {
		if kind := m.shut[fmt.Sprint(i, it.Serial)]; kind != Admit {
			return kind
		}
	}
	return Admit
}

// next starts the item that the queue returns, and checks that it is the first of those with its
// fairness key that may be. If there is none, none may be.
func (m *queueModel) next(*rapid.T) {
	it, a := m.real.Next(m.now)
	for _, w := range m.waiting {
		want := m.answer(w)
		if want != Admit && want != GiveBack {
			continue
		}
		if it == nil {
			m.t.Fatalf("%d may leave the queue, and none does; asked again at %v", w.Serial, a.Until)
		}
		if w.keys().Fair == it.keys().Fair {
			require.Equal(m.t, w.Serial, it.Serial, "the first that may leave")
			break
		}
	}
	if it == nil {
		m.requireAsksAgain(a.Until)
		return
	}
	require.Equal(m.t, m.answer(it), a.Kind, "%d", it.Serial)
	m.waiting = without(m.waiting, it)
	if a.Kind == GiveBack {
		m.returned = append(m.returned, it)
		return
	}
	m.real.Started(it, m.now)
	m.working = append(m.working, it)
}

// requireAsksAgain checks that the queue is asked again for each item that waits for its time
// alone.
func (m *queueModel) requireAsksAgain(again time.Time) {
	for _, it := range m.waiting {
		at := it.keys().NotBefore
		if m.blocked(it) || (m.none && len(m.gates) > 0) || !m.now.Before(at) {
			continue
		}
		require.False(m.t, again.IsZero() || again.After(at), "%d waits until %v, asked again at %v", it.Serial, at, again)
	}
}

func (m *queueModel) end(*rapid.T) {
	it := m.one("ended", m.working, m.lost)
	if it == nil {
		return
	}
	m.real.Ended(it, Result{}, m.now)
	if !m.closed[it] {
		m.ended = append(m.ended, it)
	}
	m.working, m.lost = without(m.working, it), without(m.lost, it)
}

func (m *queueModel) again(t *rapid.T) {
	it := m.one("again", m.working)
	if it == nil {
		return
	}
	next := &Item{Serial: it.Serial, Identity: it.Identity}
	after := time.Duration(rapid.IntRange(0, 3).Draw(t, "after")) * time.Second
	m.real.PushAgain(it, next, Result{}, Requeued, m.now.Add(after), m.now)
	m.closed[it] = true
	m.working, m.waiting = without(m.working, it), append(m.waiting, next)
	for i := len(m.waiting) - 1; i > 0 && m.waiting[i-1].Serial > next.Serial; i-- {
		m.waiting[i-1], m.waiting[i] = m.waiting[i], m.waiting[i-1]
	}
}

func (m *queueModel) gone(*rapid.T) {
	it := m.one("gone", m.working, m.waiting, m.ended, m.returned)
	if it == nil {
		return
	}
	m.real.Gone(it, Done, m.now)
	m.closed[it] = true
	for _, w := range m.working {
		if w == it {
			m.lost = append(m.lost, it)
		}
	}
	m.working, m.waiting = without(m.working, it), without(m.waiting, it)
	m.ended, m.returned = without(m.ended, it), without(m.returned, it)
}

func (m *queueModel) take(*rapid.T) {
	require.Equal(m.t, serials(m.waiting), serials(m.real.Take()))
	m.ended, m.waiting = append(m.ended, m.waiting...), nil
}

// delay lets an item wait that is about to come, and lower takes that back.
func (m *queueModel) delay(t *rapid.T) {
	m.serial++
	it := &Item{Serial: m.serial, Identity: idOf(fmt.Sprint(m.serial))}
	it.Delay(m.now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "floor")) * time.Second))
	m.waiting = append(m.waiting, it)
	m.real.Push(it)
}

func (m *queueModel) lower(*rapid.T) {
	if it := m.one("lowered", m.waiting, m.working); it != nil {
		m.real.LowerFloor(it)
	}
}

func (m *queueModel) open(t *rapid.T) {
	if rapid.Bool().Draw(t, "all") {
		m.none = !m.none
	} else {
		clear(m.shut)
	}
	m.real.Changed()
}

func (m *queueModel) wait(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond)
}

func (m *queueModel) check(t *rapid.T) {
	if faults := m.real.Faults(); len(faults) > 0 {
		t.Fatal(faults)
	}
	require.Equal(t, len(m.waiting), m.real.Len())
	for _, it := range m.waiting {
		require.True(t, it.Waiting())
	}
}

func (m *queueModel) one(name string, of ...[]*Item) *Item {
	var all []*Item
	for _, items := range of {
		all = append(all, items...)
	}
	if len(all) == 0 {
		return nil
	}
	return rapid.SampledFrom(all).Draw(m.t, name)
}

func without(items []*Item, it *Item) []*Item {
	var rest []*Item
	for _, x := range items {
		if x != it {
			rest = append(rest, x)
		}
	}
	return rest
}

func serials(items []*Item) []uint64 {
	all := make([]uint64, len(items))
	for i, it := range items {
		all[i] = it.Serial
	}
	return all
}

// TestQueue_Model: the queue returns what the simplest model of it allows: the first item that may
// start, and none only if none may. Nothing is lost, nothing is returned twice, and in the end,
// with every gate open, each item has had its turn.
func TestQueue_Model(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newQueueModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"": m.check, "push": m.push, "next": m.next, "end": m.end, "again": m.again, "gone": m.gone, "take": m.take,
			"open": m.open, "wait": m.wait, "delay": m.delay, "lower": m.lower,
		})
		m.finish()
	})
}

func (m *queueModel) finish() {
	clear(m.shut)
	m.none = false
	m.real.Changed()
	m.now = m.now.Add(time.Hour)
	for _, it := range m.returned {
		m.real.Gone(it, Released, m.now)
	}
	m.returned = nil
	for len(m.waiting)+len(m.working)+len(m.lost) > 0 {
		before := len(m.waiting)
		m.next(m.t)
		if len(m.waiting) == before && len(m.working)+len(m.lost) == 0 {
			m.t.Fatalf("%d wait for nothing", before)
		}
		for _, it := range append(m.working, m.lost...) {
			m.real.Ended(it, Result{}, m.now)
		}
		m.working, m.lost = nil, nil
	}
	require.Empty(m.t, m.real.ids.by)
	require.Empty(m.t, m.real.orders.by)
	require.Empty(m.t, m.real.turns.by)
}

// pushAll pushes n items, with the keys that keyed gives them.
func pushAll(q *Queue, n int, keyed func(i int) *Keys) []*Item {
	all := make([]*Item, n)
	for i := range all {
		all[i] = &Item{Serial: uint64(i + 1), Identity: idOf(fmt.Sprint(i))} //nolint:gosec // a count
		if keyed != nil {
			all[i].Keys = keyed(i)
		}
		q.Push(all[i])
	}
	return all
}

// TestQueue_TurnsAreFair: of a thousand of one key and ten of another, taken as they come, every
// other one is the other's.
func TestQueue_TurnsAreFair(t *testing.T) {
	q := NewQueue(nil)
	pushAll(q, 1010, func(i int) *Keys {
		if i < 1000 {
			return &Keys{Fair: "many"}
		}
		return &Keys{Fair: "few"}
	})
	for i := range 20 {
		it, _ := q.Next(time.Now())
		require.Equal(t, []string{"many", "few"}[i%2], it.Keys.Fair, "turn %d", i)
	}
}

// TestQueue_ARefusedItemIsAskedForOnce: a thousand items that are held back are asked for once, and
// not once for each that comes.
func TestQueue_ARefusedItemIsAskedForOnce(t *testing.T) {
	const n = 1000
	asked := 0
	q := NewQueue([]Gate{&fakeGate{answer: func(*Item) Answer { asked++; return Answer{Kind: Skip} }}})
	for i := range n {
		q.Push(&Item{Serial: uint64(i), Identity: idOf(fmt.Sprint(i))}) //nolint:gosec // a count
		it, a := q.Next(time.Now())
		require.Nil(t, it)
		require.Zero(t, a.Until)
		require.True(t, q.HeldBack())
	}
	require.Equal(t, n, asked)
	q.Changed()
	q.Next(time.Now())
	require.Equal(t, 2*n, asked)
}

// TestQueue_NoPolicyNoAllocation: without gates and keys, a way through the queue allocates
// nothing.
func TestQueue_NoPolicyNoAllocation(t *testing.T) {
	q := NewQueue(nil)
	it := pushAll(q, 1, nil)[0]
	now := time.Now()
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		q.Next(now)
		q.Started(it, now)
		q.Ended(it, Result{}, now)
		q.Gone(it, Done, now)
		q.Push(it)
	}))
}

// TestQueue_SetGates: a gate that is set later is asked for the items that wait already.
func TestQueue_SetGates(t *testing.T) {
	q := NewQueue(nil)
	require.False(t, q.Gated())
	pushAll(q, 2, nil)
	q.SetGates([]Gate{NewRate(Limit{PerSecond: 1, Burst: 1})})
	require.True(t, q.Gated())
	now := time.Unix(1_000_000, 0)
	it, _ := q.Next(now)
	q.Started(it, now)
	it, a := q.Next(now)
	require.Nil(t, it)
	require.Equal(t, Answer{Kind: Block, Until: now.Add(time.Second)}, a)
	q.SetGates(nil)
	it, _ = q.Next(now)
	require.NotNil(t, it)
}

func TestAnswerKind_String(t *testing.T) {
	var all []string
	for k := Admit; k <= GiveBack+1; k++ {
		all = append(all, k.String())
	}
	require.Equal(t, []string{"admit", "skip", "block", "give back", "answer(4)"}, all)
}

// TestQueue_TakenItemsMayComeAgain: an item that was taken out has no past.
func TestQueue_TakenItemsMayComeAgain(t *testing.T) {
	q, now := NewQueue(nil), time.Now()
	var all []*Item
	for i := range 3 {
		it := &Item{Serial: uint64(i), Identity: idOf("m"), Keys: &Keys{Order: "o"}} //nolint:gosec // a count
		q.Push(it)
		all = append(all, it)
	}
	require.Equal(t, all, q.Take())
	require.False(t, all[2].Waiting())
	q.Push(all[2])
	require.True(t, all[2].Waiting())
	it, _ := q.Next(now)
	require.Same(t, all[2], it)
	require.False(t, it.Waiting(), "named")
	require.False(t, it.Working())
	q.Started(it, now)
	require.True(t, it.Working())
	q.Ended(it, Result{}, now)
	require.False(t, it.Working())
}

// TestItem_Delay: the item waits until then, and keeps its keys, which others may share.
func TestItem_Delay(t *testing.T) {
	shared := &Keys{Order: "o"}
	it := &Item{Keys: shared}
	it.Delay(begin)
	require.Equal(t, &Keys{Order: "o"}, shared)
	require.Equal(t, &Keys{Order: "o", NotBefore: begin, Floor: true}, it.Keys)
	require.Equal(t, "o", it.OrderKey())
}
