package schedule

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/embedded"
	"github.com/gentask/gentask/queue/memory"
)

// TestPlansModel: nodes start and stop, their connection to the store is cut, and plans are changed
// and run by hand in any order. No firing comes twice, and each comes if a node runs that knows of
// it. Others come only of plans whose missed times count, and of those run by hand.
func TestPlansModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			broker := memory.NewBroker()
			q := memory.New(memory.Config{Unique: 2 * time.Minute})
			defer q.Close()
			m := &planModel{
				site:  &site{t: t, q: q, broker: broker, plans: open(t, broker), nodes: broker.Connect()},
				truth: map[string]planView{}, want: map[string]bool{}, may: map[string]bool{}, got: map[string]bool{},
			}
			time.Sleep(time.Until(time.Now().Truncate(period).Add(period + 3*time.Second)))
			rt.Repeat(map[string]func(*rapid.T){
				"put": m.change, "remove": m.remove, "pause": m.pause, "run": m.runNow, "start": m.begin, "stop": m.end, "cut": m.cut,
				"sleep": m.sleep, "": m.check,
			})
			for len(m.running) > 0 {
				m.end(rt)
			}
			m.check(rt)
		})
	})
}

// period divides all times of the model's plans. Whatever happens, happens between two of them.
const period = 10 * time.Second

// planModel is what should be fired.
type planModel struct {
	*site
	truth   map[string]planView // as the store has it
	down    bool
	running []*nodeModel
	want    map[string]bool // firings that must come
	may     map[string]bool // firings that may come
	got     map[string]bool
}

// planView is a plan as the store has it, or a node knows it.
type planView struct {
	every  int // in periods
	paused bool
	missed Missed
}

// nodeModel is a node, and the plans that it knows.
type nodeModel struct {
	*node
	view map[string]planView
}

func (m *planModel) name(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b"}).Draw(t, "plan")
}

// change puts a plan, which may be there.
func (m *planModel) change(t *rapid.T) {
	name, v := m.name(t), planView{every: rapid.IntRange(1, 3).Draw(t, "periods")}
	v.missed = rapid.SampledFrom([]Missed{Skip, Latest}).Draw(t, "missed")
	v.paused = m.truth[name].paused
	cron := map[int]string{1: "*/10 * * * * *", 2: "*/20 * * * * *", 3: "*/30 * * * * *"}[v.every]
	m.put(Plan{Name: name, Cron: cron, Missed: v.missed})
	m.truth[name] = v
	m.seen()
}

func (m *planModel) remove(t *rapid.T) {
	name := m.name(t)
	err := m.plans.Remove(m.t.Context(), name)
	if _, there := m.truth[name]; !there {
		require.ErrorIs(t, err, queue.ErrNoRecord)
		return
	}
	require.NoError(t, err)
	delete(m.truth, name)
	m.seen()
}

// pause pauses a plan, or resumes it.
func (m *planModel) pause(t *rapid.T) {
	name := m.name(t)
	v, there := m.truth[name]
	if !there {
		t.Skip("no such plan")
	}
	v.paused = !v.paused
	f := m.plans.Resume
	if v.paused {
		f = m.plans.Pause
	}
	require.NoError(t, f(m.t.Context(), name))
	m.truth[name] = v
	m.seen()
}

// runNow fires a plan. A node that does not hear of it now may do so later.
func (m *planModel) runNow(t *rapid.T) {
	name := m.name(t)
	err := m.plans.RunNow(m.t.Context(), name)
	if _, there := m.truth[name]; !there {
		require.ErrorIs(t, err, queue.ErrNoRecord)
		return
	}
	require.NoError(t, err)
	all, err := m.plans.List(m.t.Context())
	require.NoError(t, err)
	for _, one := range all {
		if one.Name != name {
			continue
		}
		id := name + "@" + one.Asked.UTC().Format(time.RFC3339Nano)
		m.may[id] = true
		if !m.down && len(m.running) > 0 {
			m.want[id] = true
		}
	}
}

// seen makes the nodes know the truth, unless they are cut off.
func (m *planModel) seen() {
	if m.down {
		return
	}
	for _, n := range m.running {
		n.view = map[string]planView{}
		for name, v := range m.truth {
			n.view[name] = v
		}
	}
}

func (m *planModel) cut(*rapid.T) {
	m.down = !m.down
	if m.down {
		m.nodes.Cut()
		return
	}
	m.nodes.Restore()
	m.seen()
}

func (m *planModel) begin(t *rapid.T) {
	if len(m.running) == 3 || m.down {
		t.Skip("enough nodes, or none can start")
	}
	m.running = append(m.running, &nodeModel{node: m.start(), view: map[string]planView{}})
	m.seen()
}

func (m *planModel) end(t *rapid.T) {
	if len(m.running) == 0 {
		t.Skip("no node")
	}
	n := m.running[0]
	m.running = m.running[1:]
	end(m.t, n.node)
}

// sleep passes planned times: a few, or so many that the broker forgets.
func (m *planModel) sleep(t *rapid.T) {
	for range rapid.SampledFrom([]int{1, 2, 5, 30}).Draw(t, "periods") {
		synctest.Wait()
		time.Sleep(period)
		at := time.Now().Truncate(period)
		for name, v := range m.truth {
			if v.due(at) && v.missed == Latest {
				m.may[key(name, at)] = true
			}
		}
		for _, n := range m.running {
			for name, v := range n.view {
				if v.due(at) {
					m.want[key(name, at)] = true
				}
			}
		}
	}
}

// due reports whether the plan has that planned time.
func (v planView) due(at time.Time) bool {
	return !v.paused && at.Unix()%int64(v.every*int(period/time.Second)) == 0
}

// key is the id of a firing.
func key(name string, at time.Time) string { return name + "@" + at.UTC().Format(time.RFC3339) }

// check takes everything out of the queue.
func (m *planModel) check(t *rapid.T) {
	synctest.Wait()
	s, err := m.q.Open(m.t.Context(), queue.Options{Prefetch: 1})
	require.NoError(t, err)
	for range m.q.Stats().Ready {
		d, err := s.Receive(m.t.Context())
		require.NoError(t, err)
		require.False(t, m.got[d.ID], "%s is fired twice", d.ID)
		require.True(t, m.want[d.ID] || m.may[d.ID], "%s is fired", d.ID)
		m.got[d.ID] = true
		require.NoError(t, s.Settle(m.t.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}))
	}
	require.NoError(t, s.Close(m.t.Context()))
	for id := range m.want {
		require.True(t, m.got[id], "%s is not fired", id)
	}
}

// TestPlansOnJetStream: three nodes on an embedded broker follow a plan that is added while they
// run, and changed; each second is enqueued once, and none is left out.
func TestPlansOnJetStream(t *testing.T) {
	broker, err := embedded.Open(t.TempDir())
	require.NoError(t, err)
	defer func() { require.NoError(t, broker.Close()) }()
	store, err := broker.Store(t.Context(), "plans")
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	plans, err := OpenPlans(store, "ticks")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for i := range errs {
		wg.Go(func() { errs[i] = Run(ctx, broker.Queue("ticks"), Config{Stored: plans}) })
	}
	s, err := broker.Queue("ticks").Open(t.Context(), queue.Options{Prefetch: 1})
	require.NoError(t, err)
	var last time.Time
	for i := range 6 {
		if i%3 == 0 {
			require.NoError(t, plans.Put(t.Context(), Plan{
				Name: "tick", Cron: "* * * * * *", Message: queue.Message{Body: []byte{byte(i)}},
			}))
		}
		d, err := s.Receive(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}))
		at, err := time.Parse(time.RFC3339, d.Headers[HeaderPlanned])
		require.NoError(t, err)
		require.True(t, i == 0 || at.Equal(last.Add(time.Second)), "%v after %v", at, last)
		last = at
	}
	all, err := plans.List(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
	cancel()
	wg.Wait()
	require.Equal(t, make([]error, 3), errs)
	require.NoError(t, s.Close(t.Context()))
}
