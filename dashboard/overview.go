package dashboard

import (
	"cmp"
	"slices"
	"time"

	"github.com/gentask/gentask/queue"
)

// overview is the model of the first page.
type overview struct {
	Ready, Running, Dead, Consumers int
	Delayed                         int // [queue.CountUnknown] if no broker can tell
	Done, Failed                    float64
	Counted                         bool // all queues are counted
	Chart                           chart
	Alarms                          []alarm
	Queues                          []*queueRow
	Nodes                           []nodeRow
	Asking                          bool // the nodes may not have answered yet
	Away                            bool // they can't be asked
}

// nodeRow is what the overview shows of a node.
type nodeRow struct {
	Node, Version, Host string
	State               state
	Running, Slots      int
	Consumers           int
	Done, Failed        float64
	Up                  time.Duration
}

func overviewModel(d *Dashboard, v *view) any {
	s := v.sample
	o := &overview{
		Delayed: queue.CountUnknown, Counted: true, Queues: v.queueRows(d), Asking: s.quick, Away: s.nodes.err != nil,
		Alarms: v.fleetAlarms(),
	}
	o.Chart = throughput(d.sampler.history.since(s.at.Add(-historyFor)), s.at, func(string) bool { return true })
	for i, q := range o.Queues {
		o.addQueue(q)
		var a answer[queue.Stats]
		if i < len(s.queues) {
			a = s.queues[i].answer
		}
		o.Alarms = append(o.Alarms, queueAlarms(q, &a)...)
	}
	for i := range s.nodes.value {
		m := &s.nodes.value[i]
		o.Alarms = append(o.Alarms, nodeAlarms(m, s.at)...)
		o.Nodes = append(o.Nodes, nodeRowOf(m, s.at))
	}
	slices.SortStableFunc(o.Alarms, func(a, b alarm) int { return cmp.Compare(b.Tone.rank(), a.Tone.rank()) })
	return o
}

func (o *overview) addQueue(q *queueRow) {
	o.Running += q.Running
	o.Consumers += len(q.Consumer)
	o.Done += q.Done
	o.Failed += q.Failed
	switch {
	case q.Counted:
		o.Ready += q.Stats.Ready
		o.Dead += q.Stats.DeadLettered
		if q.Stats.Delayed != queue.CountUnknown {
			o.Delayed = max(o.Delayed, 0) + q.Stats.Delayed
		}
	case q.Own:
		o.Counted = false
	}
}

func nodeRowOf(m *member, at time.Time) nodeRow {
	r := nodeRow{
		Node: m.Node, Version: m.Version, Host: m.Host, State: state{"healthy", toneOK}, Consumers: len(m.Consumers),
		Up: m.At.Sub(m.Started),
	}
	for i := range m.Consumers {
		c := &m.Consumers[i]
		if s := stateOf(c); s.Tone.rank() > r.State.Tone.rank() {
			r.State = s
		}
		r.Running += c.Running
		r.Slots += c.Concurrency
		r.Done += float64(c.Recent.Done) / recentFor.Seconds()
		r.Failed += float64(c.Recent.Retried+c.Recent.DeadLettered) / recentFor.Seconds()
	}
	switch {
	case m.late(at):
		r.State = state{"no answer", toneWarn}
	case m.Twin, m.Silent > 5*time.Second:
		r.State = state{"unreachable", toneBad}
		if m.Twin {
			r.State.Text = "twin"
		}
	}
	return r
}
