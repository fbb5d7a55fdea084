package command

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/fleet"
)

func (a *app) nodes() *cli.Command {
	return &cli.Command{
		Name: "nodes", Usage: "show the nodes of the fleet, and their consumers",
		Description: `nodes asks who is there. A node is a process that has joined a fleet by
fleet.Join; one that can't be reached is missing. In JSON each line is the status of a node: see
fleet.NodeStatus.

The exit code is 1 if a consumer is not healthy, or no command reaches a node.`,
		Action: a.do(spec{}, showNodes),
	}
}

func showNodes(ctx context.Context, s *session) error {
	nodes, err := s.nodes(ctx)
	if err != nil {
		return err
	}
	if len(nodes) == 0 {
		s.screen.Notef("no node of fleet %q answers", s.String("fleet"))
	}
	table := s.screen.Table("NODE", "VERSION", "HOST", "PID", "UP", "CONSUMER", "QUEUE", "STATE", "RUNNING", "DONE",
		"FAILED", "DEAD", "NOTE")
	wrong := 0
	for _, n := range nodes {
		if s.screen.IsJSON() {
			s.screen.Object(n)
		}
		for _, c := range n.Consumers {
			note, colour := noteOf(&n, &c)
			if colour == terminal.Bad {
				wrong++
			}
			if s.screen.IsJSON() {
				continue
			}
			row := terminal.Plain(n.Node, n.Version, n.Host, strconv.Itoa(n.PID), terminal.Age(n.At.Sub(n.Started)),
				c.Name, c.Queue,
				c.State, fmt.Sprintf("%d/%d", c.Running, c.Concurrency), number(c.Total.Done), number(c.Total.Retried),
				number(c.Total.DeadLettered), note)
			row[7].Colour, row[12].Colour = colour, colour
			table.Row(row...)
		}
	}
	table.Close()
	if wrong > 0 {
		return foundf("%d of the consumers need a look", wrong)
	}
	return nil
}

// nodes returns the status of the nodes that answer.
func (s *session) nodes(ctx context.Context) (nodes []fleet.NodeStatus, err error) {
	err = s.withNode(ctx, func(ctx context.Context, n *fleet.Node) (err error) {
		ctx, cancel := s.bounded(ctx)
		defer cancel()
		nodes, err = n.Nodes(ctx)
		return err
	})
	return nodes, err
}

// silentAfter is how long a node may be without a sign of the store.
const silentAfter = 5 * time.Second

// noteOf returns what an operator should know about a consumer, and how bad that is.
func noteOf(n *fleet.NodeStatus, c *fleet.ConsumerStatus) (string, terminal.Colour) {
	switch {
	case !c.Alive:
		return "not alive: restart the process. " + c.Error, terminal.Bad
	case c.Error != "":
		return c.Error, terminal.Bad
	case n.Silent > silentAfter:
		return "no command reaches the node", terminal.Bad
	case n.Twin:
		return "another process has the same node ID", terminal.Bad
	case !c.Healthy:
		return "not healthy", terminal.Bad
	case n.RefusedCount > 0:
		return fmt.Sprintf("refuses %d commands", n.RefusedCount), terminal.Fair
	case c.Starved:
		return "starved: others have the limit of the fleet", terminal.Fair
	case c.Standby != "":
		return "standby: " + c.Standby, terminal.Fair
	case c.Abandoned > 0:
		return fmt.Sprintf("%d abandoned tasks", c.Abandoned), terminal.Fair
	case c.BreakersCount > 0:
		return fmt.Sprintf("%d breakers are not closed", c.BreakersCount), terminal.Fair
	case len(c.Overrides) > 0:
		o := c.Overrides[0]
		return fmt.Sprintf("%s %s by %s", o.Kind, o.Value, o.By), terminal.Fair
	}
	return "", terminal.Good
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }
