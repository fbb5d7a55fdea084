package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/cmd/gentask/internal/broker"
	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/cmd/gentask/internal/top"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

// recentSpan is what fleet.ConsumerStatus.Recent is about.
const recentSpan = 10 * time.Second

// snapshotOf returns what the nodes tell about a queue and a node, or about all for "". Its queues
// are those of the consumers, without the broker's counts.
func snapshotOf(nodes []fleet.NodeStatus, queueName, node string) *top.Snapshot {
	s := &top.Snapshot{}
	queues := map[string]*queueSum{}
	for i := range nodes {
		n := &nodes[i]
		if node != "" && n.Node != node {
			continue
		}
		if consumes := func(c fleet.ConsumerStatus) bool { return c.Queue == queueName }; queueName == "" ||
			slices.ContainsFunc(n.Consumers, consumes) {
			s.Nodes = append(s.Nodes, topNode(n, queueName, queues))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(queues)) {
		s.Queues = append(s.Queues, queues[name].queue(name))
	}
	jobs, left := jobsOf(nodes, queueName, node)
	for _, j := range jobs {
		s.Jobs = append(s.Jobs, top.Job{
			ID: j.ID, Queue: j.Queue, Node: j.Node, Attempt: j.Attempt,
			Age: time.Duration(j.Age * float64(time.Second)), Active: time.Duration(j.Active * float64(time.Second)),
		})
	}
	s.JobsLeft = left
	return s
}

// topNode returns the row of a node, by its consumers of a queue or of all, and adds them to their
// queues.
func topNode(n *fleet.NodeStatus, queueName string, queues map[string]*queueSum) top.Node {
	row := top.Node{
		Name: n.Node, Version: n.Version, Up: n.At.Sub(n.Started),
		Note: top.Note{Text: "healthy", Colour: terminal.Good},
	}
	for i := range n.Consumers {
		c := &n.Consumers[i]
		if queueName != "" && c.Queue != queueName {
			continue
		}
		rates := ratesOf(c)
		row.Running += c.Running
		row.Concurrency += c.Concurrency
		row.Done += rates.Done
		row.Failed += rates.Failed
		if text, colour := noteOf(n, c); colour > row.Colour {
			row.Note = top.Note{Text: c.Queue + ": " + text, Colour: colour}
		}
		if queues[c.Queue] == nil {
			queues[c.Queue] = &queueSum{states: map[string]terminal.Colour{}}
		}
		queues[c.Queue].add(c, rates)
	}
	if len(n.Consumers) == 0 {
		row.Note = top.Note{Text: "no consumers", Colour: terminal.Faint}
	}
	return row
}

// ratesOf returns how many deliveries a second ended lately.
func ratesOf(c *fleet.ConsumerStatus) top.Rates {
	return top.Rates{
		Done:   float64(c.Recent.Done) / recentSpan.Seconds(),
		Failed: float64(c.Recent.Retried+c.Recent.DeadLettered) / recentSpan.Seconds(),
	}
}

// queueSum sums up the consumers of a queue.
type queueSum struct {
	row    top.Queue
	times  fleet.Histogram
	states map[string]terminal.Colour
}

func (q *queueSum) add(c *fleet.ConsumerStatus, rates top.Rates) {
	q.row.Running += c.Running
	q.row.Done += rates.Done
	q.row.Failed += rates.Failed
	if c.Latency != nil {
		q.times = q.times.Add(c.Latency.RunTime)
	}
	for _, is := range []struct {
		text   string
		colour terminal.Colour
		so     bool
	}{
		{c.State, stateColour(c.State), true},
		{"starved", terminal.Fair, c.Starved},
		{"standby", terminal.Fair, c.Standby != ""},
		{"breakers not closed", terminal.Fair, c.BreakersCount > 0 && c.State != gentask.BreakerOpen.String()},
		{"not alive", terminal.Bad, !c.Alive},
		{"not healthy", terminal.Bad, c.Alive && !c.Healthy},
	} {
		if is.so {
			q.states[is.text] = is.colour
		}
	}
}

// stateColour returns the colour of a consumer's state.
func stateColour(state string) terminal.Colour {
	switch state {
	case gentask.Consuming.String(), gentask.Saturated.String():
		return terminal.Good
	}
	return terminal.Fair
}

// queue returns the row, with the worst state first.
func (q *queueSum) queue(name string) top.Queue {
	q.row.Name = name
	q.row.Waiting, q.row.Delayed, q.row.Held, q.row.Dead = top.Unknown, top.Unknown, top.Unknown, top.Unknown
	if q.times.Count() > 0 {
		q.row.Timed, q.row.P50, q.row.P99 = true, q.times.Quantile(0.5), q.times.Quantile(0.99)
	}
	states := slices.SortedFunc(maps.Keys(q.states), func(a, b string) int {
		return cmp.Or(cmp.Compare(q.states[b], q.states[a]), cmp.Compare(a, b))
	})
	q.row.Note = top.Note{Text: strings.Join(states, ", "), Colour: q.states[states[0]]}
	return q.row
}

// countAll adds the counts of the broker to the queues, and the queues that only the broker lists
// unless the screen is about one node. It returns the errors of counts that are missing.
func (s *session) countAll(ctx context.Context, shown *top.Snapshot) error {
	names, err := s.broker.Names(ctx)
	lists := !errors.Is(err, broker.ErrNoList)
	if lists && err != nil {
		return fmt.Errorf("list the queues: %w", err)
	}
	if !lists {
		names = append(names, s.String("queue"))
	}
	if s.String("node") == "" {
		addQueues(shown, names, s.String("queue"))
	}
	var failed []error
	for i := range shown.Queues {
		q := &shown.Queues[i]
		if lists && !slices.Contains(names, q.Name) {
			continue // a look makes no queue
		}
		stats, err := s.broker.Queue(q.Name).Inspect(ctx)
		if err != nil {
			failed = append(failed, fmt.Errorf("queue %q: %w", q.Name, err))
			if ctx.Err() != nil || errors.Is(err, queue.ErrUnavailable) {
				break
			}
			continue
		}
		q.Waiting, q.Delayed, q.Held, q.Dead = stats.Ready, stats.Delayed, stats.Held, stats.DeadLettered
	}
	return errors.Join(failed...)
}

// addQueues adds those of the names that are not shown yet: only one of them, if that is not "".
func addQueues(shown *top.Snapshot, names []string, only string) {
	for _, name := range names {
		isShown := slices.ContainsFunc(shown.Queues, func(q top.Queue) bool { return q.Name == name })
		if name == "" || isShown || only != "" && name != only {
			continue
		}
		shown.Queues = append(shown.Queues, top.Queue{
			Name: name, Waiting: top.Unknown, Delayed: top.Unknown, Held: top.Unknown, Dead: top.Unknown,
			Note: top.Note{Text: "no consumer in the fleet", Colour: terminal.Faint},
		})
	}
}
