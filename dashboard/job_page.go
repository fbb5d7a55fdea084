package dashboard

import (
	"context"
	"net/url"
	"time"

	"github.com/gentask/gentask/fleet"
)

// jobPage is the model of the page of one job.
type jobPage struct {
	ID, Queue    string
	Running      []jobRow // more than one if messages share the ID
	Asking, Away bool
	Asked        bool   // its stack was asked for
	Ask          string // the page that asks for it
	Stacks       []fleet.TaskStatus
	Problem      string
	Lines        []string
}

// questionTime bounds a question to the nodes that a page asks itself.
const questionTime = 4 * time.Second

func jobModel(d *Dashboard, v *view) any {
	all, _ := jobsModel(d, v).(*jobsPage)
	p := &jobPage{
		ID: v.query.Get("job"), Queue: v.query.Get("queue"), Asking: all.Asking, Away: all.Away,
		Asked: v.query.Get("stack") != "",
	}
	if p.ID == "" || !v.Fleet {
		return nil
	}
	p.Ask = "job?" + url.Values{"job": {p.ID}, "queue": {p.Queue}, "stack": {"yes"}}.Encode()
	for _, j := range all.Jobs {
		if j.ID == p.ID {
			p.Running = append(p.Running, j)
		}
	}
	if p.Asked && !v.fragmentsOnly {
		p.stacks(d, v)
	}
	return p
}

// stacks asks the nodes for the tasks of the queue.
func (p *jobPage) stacks(d *Dashboard, v *view) {
	found, err := call(v.ctx, d.hooks.nodes, func(ctx context.Context) ([]fleet.TaskStatus, error) {
		ctx, cancel := context.WithTimeout(ctx, questionTime)
		defer cancel()
		return d.from.Tasks(ctx, "", p.Queue)
	})
	if err != nil {
		p.Problem, p.Lines = clip(err.Error(), 500), hints(err)
	}
	for _, t := range found {
		if t.ID == p.ID {
			p.Stacks = append(p.Stacks, t)
		}
	}
}
