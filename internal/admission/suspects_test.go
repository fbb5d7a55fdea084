package admission

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// node is a caller of a queue with Suspects: it stops the intake while one is due, gives back the
// rest, and starts the suspect when nothing else is held.
type node struct {
	t       *rapid.T
	gate    *Suspects
	queue   *Queue
	now     time.Time
	serial  uint64
	working []*Item
	held    int
}

// receive pushes a delivery of a message, as its broker counts it.
func (n *node) receive(t *rapid.T) {
	if n.gate.Busy() {
		return
	}
	attempt := rapid.IntRange(1, 3).Draw(t, "attempt")
	n.serial++
	n.held++
	n.queue.Push(&Item{
		Serial: n.serial, Identity: idOf(fmt.Sprint(rapid.IntRange(1, 5).Draw(t, "message"))), Attempt: attempt,
		Redelivered: attempt > 1,
	})
}

// start starts what may start. While a suspect is at work, it is the only delivery that is held.
func (n *node) start(*rapid.T) {
	if n.gate.Busy() {
		for _, it := range n.queue.Take() {
			if it == n.gate.Due() {
				n.queue.Push(it)
				continue
			}
			n.held--
			n.queue.Gone(it, Released, n.now)
		}
	}
	n.gate.SetReady(n.held == 1 && len(n.working) == 0)
	it, _ := n.queue.Next(n.now)
	if it == nil {
		return
	}
	suspect := n.gate.Suspected(it)
	n.queue.Started(it, n.now)
	n.working = append(n.working, it)
	if suspect {
		require.Equal(n.t, 1, n.held, "a suspect runs alone")
		require.Same(n.t, it, n.gate.Alone())
	}
	if n.gate.Alone() != nil {
		require.Len(n.t, n.working, 1)
	}
}

// end ends an item and settles it, in either order.
func (n *node) end(t *rapid.T) {
	if len(n.working) == 0 {
		return
	}
	it := rapid.SampledFrom(n.working).Draw(t, "it")
	alone := it == n.gate.Alone()
	how := rapid.SampledFrom([]Fate{Lost, Done, Released, Requeued}).Draw(t, "fate")
	if rapid.Bool().Draw(t, "lost first") {
		n.queue.Gone(it, how, n.now)
		n.queue.Ended(it, Result{}, n.now)
	} else {
		n.queue.Ended(it, Result{}, n.now)
		if alone {
			require.False(n.t, n.gate.Suspected(it), "it has run, and the process lives")
		}
		if rapid.Bool().Draw(t, "refused") {
			n.gate.Refused(it)
		}
		n.queue.Gone(it, how, n.now)
	}
	n.working = without(n.working, it)
	n.held--
	require.NotSame(n.t, it, n.gate.Alone())
}

// TestSuspects_Model: a suspect is at work only when nothing else is held, its turn ends with it,
// and in the end everything has run.
func TestSuspects_Model(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gate := NewSuspects()
		n := &node{t: t, gate: gate, queue: NewQueue([]Gate{gate}), now: begin}
		t.Repeat(map[string]func(*rapid.T){"receive": n.receive, "start": n.start, "end": n.end})
		for range 100 {
			n.start(t)
			for _, it := range n.working {
				n.queue.Ended(it, Result{}, n.now)
				n.queue.Gone(it, Done, n.now)
				n.held--
			}
			n.working = nil
		}
		require.False(t, gate.Busy())
		require.Zero(t, n.queue.Len())
	})
}

// TestSuspects_Suspected: who is suspected, by the past of the delivery and by what is known of its
// message.
func TestSuspects_Suspected(t *testing.T) {
	message := idOf("m")
	for name, c := range map[string]struct {
		it      Item
		suspect bool
	}{
		"the first delivery":                  {Item{Attempt: 1}, false},
		"a delivery that the broker counted":  {Item{Attempt: 2, Redelivered: true}, true},
		"a copy made on purpose":              {Item{Attempt: 2, Redelivered: true, Used: 1}, false},
		"a copy that was counted besides":     {Item{Attempt: 3, Redelivered: true, Used: 1}, true},
		"a higher attempt, not redelivered":   {Item{Attempt: 2}, false},
		"a redelivery that cost no attempt":   {Item{Attempt: 1, Redelivered: true}, false},
		"a redelivery of a strange low count": {Item{Attempt: 0, Redelivered: true}, false},
	} {
		c.it.Identity = message
		require.Equal(t, c.suspect, NewSuspects().Suspected(&c.it), name)
	}
	marked := &Item{Identity: message, Attempt: 1, Marked: true}
	require.True(t, NewSuspects().Suspected(marked), "its copy is marked")
	g, now := NewSuspects(), begin
	counted := &Item{Identity: message, Attempt: 2, Redelivered: true}
	g.Gone(&Item{Identity: message, Attempt: 1}, Requeued, now)
	require.False(t, g.Suspected(counted), "it was given back here")
	g.Gone(&Item{Identity: message, Attempt: 3, Redelivered: true}, Lost, now)
	require.True(t, g.Suspected(counted), "a suspect was lost before it was cleared")
	g.Reset()
	require.True(t, g.Suspected(counted), "a new queue forgets nothing of the messages")
}

// suspect returns an item that the gate suspects.
func suspect(id string) *Item { return &Item{Identity: idOf(id), Attempt: 2, Redelivered: true} }

// TestSuspects_Turn: a suspect blocks all others from when it is due until its delivery, its worker
// and its task are gone. Only it is started when it is ready.
func TestSuspects_Turn(t *testing.T) {
	g, now := NewSuspects(), begin
	plain, one, other := &Item{Identity: idOf("p"), Attempt: 1}, suspect("a"), suspect("b")
	require.False(t, g.Busy())
	require.Equal(t, Admit, g.Pass(plain, now).Kind)
	require.Equal(t, Block, g.Pass(one, now).Kind)
	require.Same(t, one, g.Due())
	require.True(t, g.Busy())
	g.SetReady(true)
	require.Equal(t, Block, g.Pass(plain, now).Kind)
	require.Equal(t, Block, g.Pass(other, now).Kind)
	require.Equal(t, Admit, g.Pass(one, now).Kind)
	g.Started(plain, now) // before it was due
	require.Same(t, one, g.Due())
	g.Started(one, now)
	require.Nil(t, g.Due())
	require.Same(t, one, g.Alone())
	require.True(t, g.Busy())
	g.Ended(plain, Result{}, now)
	g.Gone(plain, Done, now)
	require.Equal(t, Block, g.Pass(plain, now).Kind, "it is still at work")
	require.Equal(t, Block, g.Pass(other, now).Kind)
	g.Ended(one, Result{}, now)
	require.True(t, g.Busy(), "its delivery is still held")
	require.False(t, g.Suspected(one), "it has run, and the process lives")
	g.Gone(one, Done, now)
	require.False(t, g.Busy())
	require.Equal(t, Block, g.Pass(other, now).Kind, "the next is due, and not ready")
	require.Same(t, other, g.Due())
	g.Gone(other, Released, now)
	require.False(t, g.Busy())
	require.True(t, g.Suspected(other), "it was given back before it could be cleared")
	other.Attempt = 1
	require.True(t, g.Suspected(other), "whatever the broker counts")
}

// TestSuspects_LostAtWork: one whose delivery is lost before it ends is not cleared by its end.
func TestSuspects_LostAtWork(t *testing.T) {
	g, now := NewSuspects(), begin
	one := suspect("a")
	g.Pass(one, now)
	g.Started(one, now)
	g.Ended(&Item{Identity: idOf("another")}, Result{}, now)
	require.Zero(t, g.known.Len(), "only a suspect is cleared by its end")
	g.Gone(one, Lost, now)
	require.True(t, g.Busy(), "it is still at work")
	g.Ended(one, Result{}, now)
	require.False(t, g.Busy())
	require.True(t, g.Suspected(one))
}

// TestSuspects_Refused: the others do not wait for the settlement of a suspect that the broker has
// refused, but for its end.
func TestSuspects_Refused(t *testing.T) {
	g, now := NewSuspects(), begin
	one, other := suspect("a"), suspect("b")
	g.Pass(one, now)
	g.Started(one, now)
	g.Ended(one, Result{}, now)
	g.Refused(other)
	require.True(t, g.Busy())
	g.Refused(one)
	require.False(t, g.Busy())
	g.Pass(other, now)
	g.Started(other, now)
	g.Refused(other)
	require.True(t, g.Busy(), "it is still at work")
	g.Ended(other, Result{}, now)
	require.False(t, g.Busy())
}

// TestSuspects_Clearance: a message is cleared up to the attempt that its end here explains. A
// settled one is not remembered.
func TestSuspects_Clearance(t *testing.T) {
	now := begin
	for how, cleared := range map[Fate]int{Done: 1, Released: 2, Requeued: 3, Lost: 3} {
		g := NewSuspects()
		g.Gone(&Item{Identity: idOf("m"), Attempt: 2}, how, now)
		for attempt := 1; attempt <= 5; attempt++ {
			it := &Item{Identity: idOf("m"), Attempt: attempt, Redelivered: true}
			require.Equal(t, attempt > cleared, g.Suspected(it), "%d, attempt %d", how, attempt)
		}
		require.Equal(t, how != Done, g.known.Len() == 1)
	}
}

// TestSuspects_Reset forgets the suspects that were due or at work.
func TestSuspects_Reset(t *testing.T) {
	g := NewSuspects()
	g.Pass(suspect("a"), begin)
	g.SetReady(true)
	g.Reset()
	require.False(t, g.Busy())
	g.Pass(suspect("b"), begin)
	g.Started(g.Due(), begin)
	g.Reset()
	require.False(t, g.Busy())
}
