package dashboard

import (
	"slices"
	"time"

	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

// queuePage is the model of the page of a queue.
type queuePage struct {
	*queueRow
	Chart     chart
	Alarms    []alarm
	Overrides []overrideRow
	Breakers  []breakerRow
	Paused    bool
	Forced    bool // an operator keeps the breakers open
	Bulk      *bulkView
	Latency   []latencyView
	Asking    bool
	Away      bool
}

// overrideRow is an override, and how many consumers have it.
type overrideRow struct {
	fleet.OverrideStatus
	Consumers int
}

// breakerRow is a breaker that is not closed.
type breakerRow struct {
	fleet.BreakerStatus
	Node string
	Age  time.Duration
}

func queueModel(d *Dashboard, v *view) any {
	name := v.query.Get("queue")
	row := v.oneQueue(d, name)
	if row == nil {
		return nil
	}
	v.Title = name
	p := &queuePage{
		queueRow: row, Alarms: v.fleetAlarms(), Bulk: d.bulkView(name), Asking: v.sample.quick,
		Away: v.sample.nodes.err != nil, Latency: latencies(row.Consumer),
	}
	p.Chart = throughput(d.sampler.history.since(v.sample.at.Add(-historyFor)), v.sample.at,
		func(q string) bool { return q == name })
	p.Alarms = append(p.Alarms, queueAlarms(row, v.countOf(name))...)
	for i := range row.Consumer {
		p.addOverrides(&row.Consumer[i])
		p.addBreakers(&row.Consumer[i])
	}
	return p
}

// oneQueue returns the queue of that name. It is nil if neither the configuration nor a node has
// it, unless nodes may still answer.
func (v *view) oneQueue(d *Dashboard, name string) *queueRow {
	rows := v.queueRows(d)
	if i := slices.IndexFunc(rows, func(q *queueRow) bool { return q.Name == name }); i >= 0 {
		return rows[i]
	}
	if name == "" || !v.Fleet {
		return nil
	}
	row := &queueRow{Name: name}
	row.settle(true)
	return row
}

// countOf returns the last count of a queue.
func (v *view) countOf(name string) *answer[queue.Stats] {
	for i := range v.sample.queues {
		if v.sample.queues[i].name == name {
			return &v.sample.queues[i].answer
		}
	}
	return &answer[queue.Stats]{}
}

func (p *queuePage) addOverrides(c *consumerRow) {
	for _, o := range c.Overrides {
		p.Paused = p.Paused || o.Kind == "paused"
		p.Forced = p.Forced || o.Kind == "breaker open"
		same := func(r overrideRow) bool { return r.OverrideStatus == o }
		if i := slices.IndexFunc(p.Overrides, same); i >= 0 {
			p.Overrides[i].Consumers++
		} else {
			p.Overrides = append(p.Overrides, overrideRow{o, 1})
		}
	}
}

func (p *queuePage) addBreakers(c *consumerRow) {
	for _, b := range c.Breakers {
		p.Breakers = append(p.Breakers, breakerRow{b, c.Node, c.Age + c.Since.Sub(b.Since)})
	}
}
