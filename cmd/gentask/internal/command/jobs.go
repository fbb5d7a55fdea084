package command

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/fleet"
)

func (a *app) jobs() *cli.Command {
	return &cli.Command{
		Name: "jobs", Usage: "show the jobs that run on all nodes, the longest first",
		Description: `jobs shows up to 100 jobs of each consumer: their ID, attempt, age since they
were received, and the time since they got a slot. Others are counted. With --stack it shows the
stacks of their goroutines, by which one sees what a job waits for. With --watch it asks again every
second, until it is interrupted.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "queue", Usage: "only jobs of the queue `NAME`"},
			&cli.StringFlag{Name: "node", Usage: "only jobs on the node `ID`"},
			&cli.BoolFlag{
				Name: "stack", Usage: "show the stacks of all tasks, abandoned ones included", HideDefault: true,
			},
			&cli.BoolFlag{Name: "watch", Usage: "show them again every second", HideDefault: true},
		},
		Action: a.do(spec{}, showJobs),
	}
}

// job is what jobs writes as JSON.
type job struct {
	ID       string  `json:"id"`
	Queue    string  `json:"queue"`
	Node     string  `json:"node"`
	Consumer string  `json:"consumer"`
	Attempt  int     `json:"attempt"`
	Age      float64 `json:"age_seconds"`
	Active   float64 `json:"active_seconds"`
}

func showJobs(ctx context.Context, s *session) error {
	show := showJobsOnce
	if s.Bool("stack") {
		show = showStacks
	}
	return s.withNode(ctx, func(ctx context.Context, n *fleet.Node) error {
		if !s.Bool("watch") {
			return show(ctx, s, n)
		}
		every := time.NewTicker(watchEvery)
		defer every.Stop()
		for {
			s.screen.Clear()
			if err := show(ctx, s, n); err != nil {
				return err
			}
			s.screen.Flush()
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-every.C:
			}
		}
	})
}

// watchEvery is how often --watch asks: nodes make an answer once a second at most.
const watchEvery = time.Second

func showJobsOnce(ctx context.Context, s *session, n *fleet.Node) error {
	bounded, cancel := s.bounded(ctx)
	defer cancel()
	nodes, err := n.Nodes(bounded)
	if err != nil {
		return err
	}
	all, left := jobsOf(nodes, s.String("queue"), s.String("node"))
	table := s.screen.Table("ID", "QUEUE", "NODE", "ATTEMPT", "AGE", "ACTIVE")
	for _, j := range all {
		if s.screen.IsJSON() {
			s.screen.Object(j)
			continue
		}
		table.Row(terminal.Plain(j.ID, j.Queue, j.Node, strconv.Itoa(j.Attempt), seconds(j.Age), seconds(j.Active))...)
	}
	table.Close()
	if len(all) == 0 && s.screen.IsTerminal() {
		s.screen.Notef("no job runs on the %d nodes that answer", len(nodes))
	}
	if left > 0 {
		s.screen.Notef("%d more jobs are not shown", left)
	}
	return nil
}

// jobsOf returns the jobs of the nodes, the longest first, and how many others there are.
func jobsOf(nodes []fleet.NodeStatus, queue, node string) (all []job, left int) {
	for _, n := range nodes {
		if node != "" && n.Node != node {
			continue
		}
		for _, c := range n.Consumers {
			if queue != "" && c.Queue != queue {
				continue
			}
			left += c.JobsCount - len(c.Jobs)
			for _, j := range c.Jobs {
				all = append(all, job{
					ID: j.ID, Queue: c.Queue, Node: n.Node, Consumer: c.Name, Attempt: j.Attempt,
					Age: j.Age.Seconds(), Active: j.Active.Seconds(),
				})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b job) int { return cmp.Compare(b.Age, a.Age) })
	return all, max(left, 0)
}

func seconds(s float64) string { return terminal.Age(time.Duration(s * float64(time.Second))) }
