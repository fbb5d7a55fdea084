package dashboard

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

// queueRow is what the pages show of a queue.
type queueRow struct {
	Name     string
	State    state
	Own      bool   // it is one of Config.Queues
	Counted  bool   // the counts are known
	Problem  string // why they are not; empty while they are awaited
	Stats    queue.Stats
	Running  int
	Slots    int
	Done     float64
	Failed   float64 // retried and dead-lettered
	Retried  float64
	Dead     float64
	Spark    string
	Consumer []consumerRow
}

// consumerRow is a consumer and its node.
type consumerRow struct {
	fleet.ConsumerStatus
	Node  string
	State state
	Late  bool
	Age   time.Duration // of the state
}

// alarm is something that an operator should look at.
type alarm struct {
	Tone   tone
	Title  string
	Detail string
	Lines  []string
	Queue  string // where to look, or
	Node   string

	what  string   // is wrong with consumers
	nodes []string // on which it is so
}

// queueRows returns all queues: those of the configuration first, then those of the nodes.
func (v *view) queueRows(d *Dashboard) []*queueRow {
	points := d.sampler.history.since(v.sample.at.Add(-historyFor))
	var rows []*queueRow
	byName := map[string]*queueRow{}
	add := func(name string) *queueRow {
		if byName[name] == nil {
			byName[name] = &queueRow{Name: name, Spark: spark(points, v.sample.at, name)}
			rows = append(rows, byName[name])
		}
		return byName[name]
	}
	for _, q := range v.sample.queues {
		row := add(q.name)
		row.Own = true
		row.countsOf(&q.answer)
	}
	for i := range v.sample.nodes.value {
		m := &v.sample.nodes.value[i]
		for _, c := range m.Consumers {
			add(c.Queue).add(m, c, v.sample.at)
		}
	}
	for _, row := range rows {
		row.settle(v.Fleet)
	}
	return rows
}

func (q *queueRow) countsOf(a *answer[queue.Stats]) {
	const no = queue.CountUnknown
	q.Stats = queue.Stats{Ready: no, Delayed: no, Held: no, DeadLettered: no}
	switch {
	case a.err != nil:
		q.Problem = a.err.Error()
	case !a.at.IsZero():
		q.Counted, q.Stats = true, a.value
	}
}

func (q *queueRow) add(m *member, c fleet.ConsumerStatus, at time.Time) {
	late := m.late(at)
	row := consumerRow{ConsumerStatus: c, Node: m.Node, State: stateOf(&c), Late: late, Age: m.At.Sub(c.Since)}
	if late {
		row.State = state{"no answer", toneWarn}
	}
	q.Consumer = append(q.Consumer, row)
	if late {
		return
	}
	q.Running += c.Running
	q.Slots += c.Concurrency
	q.Done += float64(c.Recent.Done) / recentFor.Seconds()
	q.Retried += float64(c.Recent.Retried) / recentFor.Seconds()
	q.Dead += float64(c.Recent.DeadLettered) / recentFor.Seconds()
}

// settle completes the row: the state is that of the consumer that is worst.
func (q *queueRow) settle(fleet bool) {
	q.Failed = q.Retried + q.Dead
	if !q.Own {
		q.countsOf(&answer[queue.Stats]{})
	}
	slices.SortFunc(q.Consumer, func(a, b consumerRow) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Name, b.Name))
	})
	switch {
	case len(q.Consumer) > 0:
		q.State = slices.MaxFunc(q.Consumer, func(a, b consumerRow) int {
			return cmp.Compare(a.State.Tone.rank(), b.State.Tone.rank())
		}).State
	case fleet:
		q.State = state{"no consumer", toneIdle}
	default:
		q.State = state{"–", toneIdle}
	}
}

// queueAlarms returns what is wrong with a queue.
func queueAlarms(q *queueRow, a *answer[queue.Stats]) []alarm {
	var all []alarm
	if q.Problem != "" {
		all = append(all, alarm{
			Tone: toneBad, Title: q.Name + " can't be counted", Detail: clip(q.Problem, 500), Lines: hints(a.err),
			Queue: q.Name,
		})
	}
	add := func(t tone, c *consumerRow, what, detail string) {
		for i := range all {
			if all[i].what == what { // the first reason stands for all
				all[i].nodes = append(all[i].nodes, c.Node)
				return
			}
		}
		all = append(all, alarm{Tone: t, Detail: detail, Queue: q.Name, what: what, nodes: []string{c.Node}})
	}
	for i := range q.Consumer {
		c := &q.Consumer[i]
		if c.State.Tone == toneBad {
			add(toneBad, c, c.State.Text, c.why())
		}
		if c.Starved {
			add(toneWarn, c, "starved",
				"A limit of the fleet leaves it nothing to run. See whether other nodes have it.")
		}
		if c.Abandoned > 0 {
			add(toneWarn, c, "abandoned tasks", "They ignore their context, and still run.")
		}
	}
	for i := range all {
		all[i].settle()
	}
	return all
}

// settle makes the title of an alarm about consumers.
func (a *alarm) settle() {
	switch len(a.nodes) {
	case 0:
	case 1:
		a.Title = a.Queue + ": " + a.what + " on " + a.nodes[0]
	default:
		a.Title = a.Queue + ": " + a.what + " on " + number(len(a.nodes)) + " nodes"
	}
}

// why returns what a consumer reports about its state.
func (c *consumerRow) why() string {
	if c.Error != "" {
		return clip(c.Error, 500)
	}
	for _, b := range c.Breakers {
		if b.Key == "" && b.Forced {
			return "An operator keeps it open."
		}
		if b.Key == "" && b.Cause != "" {
			return clip(b.Cause, 500)
		}
	}
	return ""
}

// nodeAlarms returns what is wrong with a node itself.
func nodeAlarms(m *member, at time.Time) []alarm {
	var all []alarm
	add := func(t tone, detail, format string, args ...any) {
		all = append(all, alarm{Tone: t, Title: fmt.Sprintf(format, args...), Detail: detail, Node: m.Node})
	}
	if m.late(at) {
		add(toneWarn, "It has ended, is cut off from the broker, or is too busy.", "%s does not answer", m.Node)
	}
	if m.Twin {
		add(toneBad, "Give each process a Config.Node of its own; commands for the node may reach the wrong one.",
			"Two processes are called %s", m.Node)
	}
	if m.Silent > 5*time.Second {
		add(toneBad, "It keeps the commands that it has, and gets no new ones until the store is back.",
			"%s has had no sign of the store for %s", m.Node, duration(m.Silent))
	}
	if m.RefusedCount > 0 {
		add(toneWarn, "They are of another version, or were damaged. Its page lists them.",
			"%s refuses %s", m.Node, plural(m.RefusedCount, "record", "records"))
	}
	return all
}

// fleetAlarms returns why the nodes are not known.
func (v *view) fleetAlarms() []alarm {
	if err := v.sample.nodes.err; err != nil {
		return []alarm{{
			Tone: toneBad, Title: "The nodes can't be asked", Detail: clip(err.Error(), 500), Lines: hints(err),
		}}
	}
	return nil
}
