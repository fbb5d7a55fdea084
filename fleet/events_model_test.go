package fleet

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask"
)

// TestEventsModel: nodes record, overflow, stop to record, and are cut off; questions and answers
// are lost, and come twice, in any order. Each sequence yields the records that it asks for in the
// order of their node, none twice, and counts exactly those that the node has lost.
func TestEventsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &eventsModel{now: time.Unix(0, 0).UTC()}
		for i := range 3 {
			m.nodes = append(m.nodes, &eventsNode{sender: sender{Node: fmt.Sprint("node", i), Instance: fmt.Sprint(i)}})
		}
		for _, kinds := range [][]string{nil, {"done"}} {
			m.watchers = append(m.watchers, &eventsWatcher{
				watcher: newWatcher(), like: eventsQuestion{Kinds: kinds}, at: map[string]uint64{}, here: map[string]bool{},
			})
		}
		rt.Repeat(map[string]func(*rapid.T){"emit": m.emit, "stop": m.stop, "cut": m.cut, "ask": m.askAny})
		m.finish(rt)
	})
}

// eventsModel is what nodes have recorded, and sequences have yielded.
type eventsModel struct {
	now      time.Time
	nodes    []*eventsNode
	watchers []*eventsWatcher
	calm     bool // the bus loses nothing
}

// eventsNode is a node, with all that it has ever recorded.
type eventsNode struct {
	sender
	reel reel
	all  []EventRecord
	cut  bool
}

// eventsWatcher is a sequence, and how far it must be.
type eventsWatcher struct {
	*watcher
	like eventsQuestion
	at   map[string]uint64 // by instance
	here map[string]bool
}

func (m *eventsModel) node(t *rapid.T) *eventsNode { return rapid.SampledFrom(m.nodes).Draw(t, "node") }

func (n *eventsNode) add(r EventRecord) {
	n.all = append(n.all, r)
	n.reel.add(r)
}

func (m *eventsModel) emit(t *rapid.T) {
	n := m.node(t)
	each := rapid.IntRange(1, 3).Draw(t, "done each")
	for i := range rapid.SampledFrom([]int{1, 1, 2, 7, 400, 1500}).Draw(t, "records") {
		one := EventRecord{ID: strconv.Itoa(len(n.all)), Kind: "received"}
		if i%each == 0 {
			one.Kind = "done"
		}
		n.add(one)
	}
}

// stop stops a node's recording, and begins it again.
func (m *eventsModel) stop(t *rapid.T) {
	n := m.node(t)
	n.reel.clear()
	n.add(EventRecord{Kind: KindMissed})
}

func (m *eventsModel) cut(t *rapid.T) {
	n := m.node(t)
	n.cut = !n.cut
}

func (m *eventsModel) askAny(t *rapid.T) {
	m.ask(t, rapid.SampledFrom(m.watchers).Draw(t, "watcher"))
}

// ask plays one round.
func (m *eventsModel) ask(t *rapid.T, w *eventsWatcher) {
	m.now = m.now.Add(rapid.SampledFrom([]time.Duration{eventsSoon, eventsEvery}).Draw(t, "pause"))
	w.begin()
	q := w.question(w.like)
	for range mostAgain {
		for _, a := range m.answers(t, &q) {
			m.check(t, w, a)
		}
		next, more := w.again(w.like)
		if !more {
			break
		}
		q = next
	}
	for _, r := range w.end(m.now) {
		require.Equal(t, KindNodeLeft, r.Kind)
		require.True(t, w.here[r.Instance], "it has left once")
		w.here[r.Instance] = false
	}
}

// answers returns what arrives of the nodes' answers.
func (m *eventsModel) answers(t *rapid.T, q *eventsQuestion) []eventsAnswer {
	var all []eventsAnswer
	for _, n := range m.nodes {
		after, known := q.Cursors[n.Instance]
		if n.cut || !known && q.Rest {
			continue
		}
		a := eventsAnswer{Position: true, Next: n.reel.next}
		if known {
			a = n.reel.read(after, q)
		}
		a.sender = n.sender
		times := 1
		if !m.calm {
			times = rapid.SampledFrom([]int{1, 1, 1, 0, 2}).Draw(t, "times")
		}
		for range times {
			all = append(all, overTheWire(t, &a))
		}
	}
	return rapid.Permutation(all).Draw(t, "order")
}

func overTheWire(t *rapid.T, a *eventsAnswer) (b eventsAnswer) {
	body, err := json.Marshal(a)
	require.NoError(t, err)
	require.LessOrEqual(t, len(body), mostAnswer)
	require.NoError(t, json.Unmarshal(body, &b))
	return b
}

// check takes an answer, and compares what it yields with what the node has recorded.
func (m *eventsModel) check(t *rapid.T, w *eventsWatcher, a eventsAnswer) {
	var n *eventsNode
	for _, one := range m.nodes {
		if one.Instance == a.Instance {
			n = one
		}
	}
	records := w.take(&a, m.now)
	if len(records) > 0 && records[0].Kind == KindNodeJoined {
		require.False(t, w.here[n.Instance], "it has joined once")
		w.here[n.Instance], records = true, records[1:]
		if _, met := w.at[n.Instance]; !met {
			w.at[n.Instance] = a.Next
		}
	}
	at, end := w.at[n.Instance], w.known[n.Instance].next
	oldest := n.reel.oldest()
	if end > at && at < oldest {
		require.NotEmpty(t, records)
		require.Equal(t, KindMissed, records[0].Kind)
		require.Equal(t, oldest-at, records[0].Missed)
		at, records = oldest, records[1:]
	}
	for ; at < end; at++ {
		want := n.all[at]
		if !w.like.wants(&want) {
			continue
		}
		require.NotEmpty(t, records, "%s of %s is missing", want.ID, n.Node)
		want.Node, want.Instance = n.Node, n.Instance
		if want != records[0] {
			require.Equal(t, want, records[0])
		}
		records = records[1:]
	}
	require.Empty(t, records)
	w.at[n.Instance] = end
}

// finish asks until all is told that can be.
func (m *eventsModel) finish(t *rapid.T) {
	m.calm = true
	for _, n := range m.nodes {
		n.cut = false
	}
	for _, w := range m.watchers {
		m.ask(t, w)
		m.ask(t, w)
		for _, n := range m.nodes {
			require.True(t, w.here[n.Instance])
			require.Equal(t, n.reel.next, w.at[n.Instance], "%s", n.Node)
		}
	}
}

// TestWatcher_ManyNodes: more nodes than a question has cursors for lose nothing.
func TestWatcher_ManyNodes(t *testing.T) {
	const nodes = mostCursors + 500
	w, reels := newWatcher(), make([]reel, nodes)
	yielded := map[string]int{}
	for range 3 {
		w.begin()
		q := w.question(eventsQuestion{})
		for range mostAgain {
			body, err := json.Marshal(question{Events: &q})
			require.NoError(t, err)
			require.Less(t, len(body), 60<<10)
			for i := range reels {
				instance := fmt.Sprintf("%016d", i)
				after, known := q.Cursors[instance]
				if !known && q.Rest {
					continue
				}
				a := eventsAnswer{Position: true, Next: reels[i].next}
				if known {
					a = reels[i].read(after, &q)
				}
				a.sender = sender{Node: instance, Instance: instance}
				for _, r := range w.take(&a, time.Now()) {
					yielded[instance+r.Kind]++
				}
			}
			next, more := w.again(eventsQuestion{})
			if !more {
				break
			}
			q = next
		}
		require.Empty(t, w.end(time.Now()))
		for i := range reels {
			reels[i].add(EventRecord{Kind: "done"})
		}
	}
	require.Len(t, yielded, 2*nodes)
	for who, n := range yielded {
		require.Contains(t, []int{1, 2}, n, who) // joined once, and done twice
	}
}

// TestRecorder_LateCall: a subscriber that is called after the end of its subscription records
// nothing.
func TestRecorder_LateCall(t *testing.T) {
	subscribed := []func(){func() {}}
	for name, r := range map[string]*recorder{
		"stopped": {watch: 1}, "of the next time": {watch: 2, cancels: subscribed}, "now": {watch: 1, cancels: subscribed},
	} {
		r.record(&consumer{}, "q", 1, &gentask.Event{Kind: gentask.EventDone})
		require.Equal(t, name == "now", r.reel.next == 1, name)
	}
}
