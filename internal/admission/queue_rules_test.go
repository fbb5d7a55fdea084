package admission

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ruleGate is a gate whose answer the test sets, and that writes down what it is told.
type ruleGate struct {
	says  Answer
	asked int
	told  []string
}

func (g *ruleGate) Pass(*Item, time.Time) Answer {
	g.asked++
	return g.says
}

func (g *ruleGate) Started(*Item, time.Time)       { g.told = append(g.told, "started") }
func (g *ruleGate) Ended(*Item, Result, time.Time) { g.told = append(g.told, "ended") }
func (g *ruleGate) Gone(_ *Item, how Fate, _ time.Time) {
	g.told = append(g.told, map[Fate]string{Requeued: "requeued", Done: "done"}[how])
}

// TestQueue_SetGates_AsksAgain: an item that a gate has skipped is asked for again when that gate
// is gone.
func TestQueue_SetGates_AsksAgain(t *testing.T) {
	q := NewQueue([]Gate{&ruleGate{says: Answer{Kind: Skip}}})
	pushAll(q, 1, nil)
	it, _ := q.Next(begin)
	require.Nil(t, it)
	q.SetGates(nil)
	it, _ = q.Next(begin)
	require.NotNil(t, it)
}

// TestQueue_HeldBack: items are held back from when none may start until one may, or none waits.
func TestQueue_HeldBack(t *testing.T) {
	for _, kind := range []AnswerKind{Skip, Block} {
		g := &ruleGate{says: Answer{Kind: kind}}
		q := NewQueue([]Gate{g})
		all := pushAll(q, 3, nil)
		q.Next(begin)
		require.True(t, q.HeldBack(), kind)
		q.Gone(all[2], Lost, begin)
		g.says = Answer{}
		q.Changed()
		it, _ := q.Next(begin)
		require.False(t, q.HeldBack(), "the other may start, too")
		q.Started(it, begin)
		g.says.Kind = kind
		q.Next(begin)
		q.Gone(all[1], Lost, begin)
		require.False(t, q.HeldBack(), "none waits")
	}
}

// TestQueue_EachGateMustAdmit: the first answer that is not to admit counts.
func TestQueue_EachGateMustAdmit(t *testing.T) {
	for _, answers := range [][]AnswerKind{{Admit, Skip}, {Skip, Admit}, {Admit, Block}, {Block, Skip}, {GiveBack, Admit}} {
		q := NewQueue([]Gate{&ruleGate{says: Answer{Kind: answers[0]}}, &ruleGate{says: Answer{Kind: answers[1]}}})
		pushAll(q, 1, nil)
		_, a := q.Next(begin)
		want := answers[0]
		if want == Admit {
			want = answers[1]
		}
		require.Equal(t, want, a.Kind)
	}
}

// TestQueue_AsksAtTheTime: a gate that wants to be asked again at some time is asked then, and not
// before. A change since makes it forget the time.
func TestQueue_AsksAtTheTime(t *testing.T) {
	at := begin.Add(time.Second)
	g := &ruleGate{says: Answer{Kind: Skip, Until: at}}
	q := NewQueue([]Gate{g})
	pushAll(q, 1, nil)
	for _, now := range []time.Time{begin, begin, at.Add(-1)} {
		_, a := q.Next(now)
		require.Equal(t, Answer{Kind: Skip, Until: at}, a)
		require.Equal(t, 1, g.asked)
	}
	g.says.Until = time.Time{}
	_, a := q.Next(at)
	require.Equal(t, Answer{Kind: Skip}, a)
	require.Equal(t, 2, g.asked)
	g.says.Until = at.Add(time.Hour)
	q.Changed()
	q.Next(at)
	g.says.Until = time.Time{}
	q.Changed()
	_, a = q.Next(at)
	require.Equal(t, Answer{Kind: Skip}, a)
}

// TestQueue_AsksAtTheFirstTime: of several times the first counts, and one who names none does not.
func TestQueue_AsksAtTheFirstTime(t *testing.T) {
	q := NewQueue([]Gate{&ruleGate{says: Answer{Kind: Skip}}})
	for i, after := range []time.Duration{2, 1, 3, 0} {
		it := &Item{Serial: uint64(i)} //nolint:gosec // a count
		if after > 0 {
			it.Keys = &Keys{NotBefore: begin.Add(after)}
		}
		q.Push(it)
	}
	_, a := q.Next(begin)
	require.Equal(t, begin.Add(1), a.Until)
}

// TestQueue_PushAgain: the gates hear of the run that has ended, the next one waits for its time
// and keeps its place, and a gate that the last run held closed is asked again.
func TestQueue_PushAgain(t *testing.T) {
	g := &ruleGate{}
	q := NewQueue([]Gate{g})
	it := &Item{Serial: 1, Identity: idOf("m")}
	q.Push(it)
	q.Push(&Item{Serial: 2, Identity: idOf("m")})
	q.Push(&Item{Serial: 3, Identity: idOf("n")})
	q.Next(begin)
	q.Started(it, begin)
	g.says.Kind = Skip
	other, _ := q.Next(begin)
	require.Nil(t, other)
	g.says.Kind = Admit
	next, at := &Item{Serial: 1, Identity: idOf("m")}, begin.Add(time.Second)
	q.PushAgain(it, next, Result{}, Requeued, at, begin)
	require.Equal(t, []string{"started", "ended", "requeued"}, g.told)
	require.False(t, it.Working())
	require.Equal(t, &Keys{NotBefore: at}, next.Keys)
	require.True(t, q.First(next))
	other, _ = q.Next(begin)
	require.Equal(t, uint64(3), other.Serial)
	q.Started(other, begin)
	none, a := q.Next(begin)
	require.Nil(t, none)
	require.Equal(t, at, a.Until)
	first, _ := q.Next(at)
	require.Same(t, next, first)
}

// TestQueue_Gone_AsksAgain: the end of a delivery may open a gate.
func TestQueue_Gone_AsksAgain(t *testing.T) {
	g := &ruleGate{}
	q := NewQueue([]Gate{g})
	all := pushAll(q, 2, nil)
	q.Next(begin)
	q.Started(all[0], begin)
	g.says.Kind = Skip
	q.Next(begin)
	q.Gone(all[0], Done, begin) // its worker and task go on
	g.says.Kind = Admit
	it, _ := q.Next(begin)
	require.Same(t, all[1], it)
	q.Started(it, begin)
	require.True(t, all[0].Working())
	require.Equal(t, []string{"started", "done", "started"}, g.told)
}

// TestQueue_LowerFloor lets an item start that waits because of its floor. The time that a decision
// has set stays, and so does an item at work.
func TestQueue_LowerFloor(t *testing.T) {
	q, at := NewQueue(nil), begin.Add(time.Hour)
	returned, plain := &Item{Serial: 1}, &Item{Serial: 3}
	returned.Delay(at)
	snoozed := &Item{Serial: 2, Keys: &Keys{NotBefore: at}}
	for _, it := range []*Item{returned, snoozed} {
		q.Push(it)
	}
	_, a := q.Next(begin)
	require.Equal(t, at, a.Until)
	q.Push(plain)
	for _, it := range []*Item{plain, snoozed, returned} {
		q.LowerFloor(it)
	}
	require.Equal(t, at, snoozed.Keys.NotBefore)
	it, _ := q.Next(begin)
	require.Same(t, returned, it)
	require.Equal(t, &Keys{}, returned.Keys)
	q.Started(returned, begin)
	late := &Item{Serial: 4}
	late.Delay(begin)
	q.Push(late)
	it, _ = q.Next(begin)
	require.Same(t, plain, it)
	it, _ = q.Next(begin)
	require.Same(t, late, it)
	q.Started(late, begin)
	q.LowerFloor(late)
	require.Equal(t, begin, late.Keys.NotBefore, "it does not wait")
}

// TestQueue_Ended_AsksAgain: the end of an item may open a gate.
func TestQueue_Ended_AsksAgain(t *testing.T) {
	g := &ruleGate{}
	q := NewQueue([]Gate{g})
	all := pushAll(q, 2, nil)
	q.Next(begin)
	q.Started(all[0], begin)
	g.says.Kind = Skip
	q.Next(begin)
	q.Ended(all[0], Result{}, begin)
	g.says.Kind = Admit
	it, _ := q.Next(begin)
	require.Same(t, all[1], it)
}

// TestQueue_GoneBehindAnother: an item that is gone before it could be started takes no turn of its
// fairness key.
func TestQueue_GoneBehindAnother(t *testing.T) {
	q := NewQueue(nil)
	first := &Item{Serial: 1, Identity: idOf("m"), Keys: &Keys{Fair: "p"}}
	behind := &Item{Serial: 2, Identity: idOf("m"), Keys: &Keys{Fair: "p"}}
	for _, it := range []*Item{first, behind, {Serial: 3, Keys: &Keys{Fair: "q"}}} {
		q.Push(it)
	}
	q.Gone(behind, Lost, begin)
	it, _ := q.Next(begin)
	require.Same(t, first, it)
	require.Equal(t, 1, q.Len())
}

// TestQueue_BehindTwo: an item that waits for two others starts when both have ended.
func TestQueue_BehindTwo(t *testing.T) {
	q := NewQueue(nil)
	one, two := &Item{Serial: 1, Identity: idOf("m")}, &Item{Serial: 2, Keys: &Keys{Order: "o"}}
	third := &Item{Serial: 3, Identity: idOf("m"), Keys: &Keys{Order: "o"}}
	for _, it := range []*Item{one, two, third} {
		q.Push(it)
	}
	for range 2 {
		it, _ := q.Next(begin)
		q.Started(it, begin)
	}
	q.Ended(one, Result{}, begin)
	it, _ := q.Next(begin)
	require.Nil(t, it)
	q.Ended(two, Result{}, begin)
	it, _ = q.Next(begin)
	require.Same(t, third, it)
}
