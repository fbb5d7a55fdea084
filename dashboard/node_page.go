package dashboard

import (
	"maps"
	"net/url"
	"slices"
	"time"
)

// nodePage is the model of the page of a node: each process that has its ID.
type nodePage struct {
	Node      string
	Processes []process
	Asking    bool
	Away      bool
	Asked     bool   // its supervision trees were asked for
	Ask       string // the page that asks for them
	Trees     []treeView
	Problem   string
	Lines     []string
}

// process is one process of a node.
type process struct {
	member
	State     state
	Up        time.Duration
	Ago       time.Duration // since its last answer
	Alarms    []alarm
	Consumers []consumerRow
	Refused   []refusal
	Overrides []overrideRow
}

// refusal is a record that a node does not follow.
type refusal struct{ Key, Why string }

func nodeModel(d *Dashboard, v *view) any {
	p := &nodePage{Node: v.query.Get("node"), Asking: v.sample.quick, Away: v.sample.nodes.err != nil}
	if p.Node == "" || !v.Fleet {
		return nil
	}
	v.Title = p.Node
	p.Asked = v.query.Get("trees") != ""
	p.Ask = "node?" + url.Values{"node": {p.Node}, "trees": {"yes"}}.Encode()
	if p.Asked && !v.fragmentsOnly {
		p.trees(d, v)
	}
	for i := range v.sample.nodes.value {
		if m := &v.sample.nodes.value[i]; m.Node == p.Node {
			p.Processes = append(p.Processes, processOf(m, v.sample.at))
		}
	}
	return p
}

func processOf(m *member, at time.Time) process {
	row := nodeRowOf(m, at)
	p := process{member: *m, State: row.State, Up: row.Up, Ago: at.Sub(m.seen), Alarms: nodeAlarms(m, at)}
	for _, c := range m.NodeStatus.Consumers {
		q := &queueRow{Name: c.Queue}
		q.add(m, c, at)
		p.Consumers = append(p.Consumers, q.Consumer...)
		p.Alarms = append(p.Alarms, queueAlarms(q, nil)...)
	}
	for _, key := range slices.Sorted(maps.Keys(m.NodeStatus.Refused)) {
		p.Refused = append(p.Refused, refusal{key, m.NodeStatus.Refused[key]})
	}
	return p
}
