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
