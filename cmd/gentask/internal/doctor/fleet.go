package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask/fleet"
)

// forgottenAfter is how long a command may be in force before somebody may have forgotten it.
const forgottenAfter = 24 * time.Hour

// ExamineFleet looks at the nodes of a fleet, and at the commands in force.
func ExamineFleet(ctx context.Context, n *fleet.Node) []Finding {
	e := &examination{}
	nodes, err := n.Nodes(ctx)
	told := time.Now()
	if err != nil {
		e.failed(Wrong, "fleet", err, "see the rights that a bus needs, in docs/drivers.md")
		return e.found
	}
	for i := range nodes {
		e.node(&nodes[i], told)
	}
	if commands, err := n.Commands(ctx); err != nil {
		e.failed(Wrong, "commands", err, "see the rights that a store needs, in docs/drivers.md")
	} else {
		e.commands(commands, told)
	}
	return e.found
}

// node looks at the status of a node.
func (e *examination) node(n *fleet.NodeStatus, now time.Time) {
	what := fmt.Sprintf("node %q", n.Node)
	e.is(n.Twin, Wrong, what, "instances: "+map[bool]string{true: "more than one", false: "one"}[n.Twin],
		"give each process a fleet.Config.Node of its own")
	e.is(n.Silent > 5*time.Second, Wrong, what, fmt.Sprintf("last sign of the store %v ago",
		n.Silent.Round(time.Second)),
		"mend its way to the broker: no command reaches it")
	e.is(n.RefusedCount > 0, Risk, what, fmt.Sprintf("refuses %d records", n.RefusedCount),
		"update the program, or give the commands again")
	if ahead := n.At.Sub(now); ahead > maxSkew || ahead < -maxSkew-time.Second { // told at most a second ago
		e.skew(what+", clock", ahead)
	}
	for _, c := range n.Consumers {
		consumer := fmt.Sprintf("%s, consumer %q", what, c.Name)
		switch {
		case !c.Alive:
			e.add(Wrong, consumer, "is not alive: "+c.Error, "restart the process")
		case c.Error != "":
			e.add(Wrong, consumer, c.Error, "see docs/operations.md, Health")
		case !c.Healthy:
			e.add(Wrong, consumer, "is not healthy, state "+c.State, "see docs/operations.md, Health")
		case c.Starved:
			e.add(Risk, consumer, "is starved", "raise the limit of the fleet, if this lasts on all nodes")
		case c.Abandoned > 0:
			e.add(Risk, consumer, fmt.Sprintf("%d abandoned tasks", c.Abandoned),
				"mend the code that ignores its context")
		default:
			e.add(Fine, consumer, c.State, "")
		}
	}
}

// commands looks for commands that somebody may have forgotten.
func (e *examination) commands(all []*fleet.Command, now time.Time) {
	for _, c := range all {
		if c.Kind == "cancelled" || c.Kind == "drained" {
			continue // they go by themselves
		}
		age := now.Sub(c.At).Round(time.Minute)
		e.is(age > forgottenAfter, Risk, fmt.Sprintf("queue %q", c.Queue),
			fmt.Sprintf("%s %s since %v, by %s: %s", c.Kind, c.Value, age, c.By, c.Reason),
			"take the command back, if it is not wanted")
	}
}
