package dashboard

import (
	"cmp"
	"slices"

	"github.com/gentask/gentask/fleet"
)

// jobsPage is the model of the page of running jobs.
type jobsPage struct {
	Jobs         []jobRow
	Total        int // that run, as far as they are known
	Queue, Node  string
	Nodes        []string
	Queues       []string
	Asking, Away bool
	Alarms       []alarm
}

// jobRow is a job that runs.
type jobRow struct {
	fleet.JobStatus
	Queue, Node, Consumer string
}

// mostJobs is how many jobs the page shows.
const mostJobs = 200

func jobsModel(_ *Dashboard, v *view) any {
	p := &jobsPage{
		Queue: v.query.Get("queue"), Node: v.query.Get("node"), Asking: v.sample.quick, Away: v.sample.nodes.err != nil,
		Alarms: v.fleetAlarms(),
	}
	for i := range v.sample.nodes.value {
		m := &v.sample.nodes.value[i]
		for _, c := range m.Consumers {
			if (p.Queue == "" || p.Queue == c.Queue) && (p.Node == "" || p.Node == m.Node) && !m.late(v.sample.at) {
				p.add(m, &c)
			}
		}
	}
	p.Queues, p.Nodes = v.names()
	slices.SortStableFunc(p.Jobs, func(a, b jobRow) int { return cmp.Compare(b.Active, a.Active) })
	p.Jobs = p.Jobs[:min(len(p.Jobs), mostJobs)]
	return p
}

func (p *jobsPage) add(m *member, c *fleet.ConsumerStatus) {
	p.Total += c.JobsCount
	for _, j := range c.Jobs {
		p.Jobs = append(p.Jobs, jobRow{j, c.Queue, m.Node, c.Name})
	}
}

// names returns the names of the queues and the nodes that answer, in order.
func (v *view) names() (queues, nodes []string) {
	for i := range v.sample.nodes.value {
		m := &v.sample.nodes.value[i]
		nodes = append(nodes, m.Node)
		for _, c := range m.Consumers {
			queues = append(queues, c.Queue)
		}
	}
	slices.Sort(queues)
	return slices.Compact(queues), slices.Compact(nodes)
}
