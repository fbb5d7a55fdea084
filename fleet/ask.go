package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Look returns the status of the nodes of a fleet, for a program that is no member. It joins as an
// observer for the call: see [Node.Nodes].
func Look(ctx context.Context, b Broker, cfg Config) ([]NodeStatus, error) {
	n, err := Join(ctx, b, cfg)
	if err != nil {
		return nil, err
	}
	nodes, err := n.Nodes(ctx)
	if closing := n.Close(); err == nil && closing != nil {
		err = fmt.Errorf("fleet: %w", closing)
	}
	return nodes, err
}

// Nodes returns the status of each node that answers, in the order of their IDs. It returns when no
// answer has come for [Config.Wait], or for five times as long if none has come at all, and when
// ctx ends. A node that can't be reached is missing. Nodes returns an error if the broker is away
// or refuses, or the node is closed.
func (n *Node) Nodes(ctx context.Context) ([]NodeStatus, error) { return n.ask(ctx, "") }

// ask returns the status of one node, or of all if only is empty.
func (n *Node) ask(ctx context.Context, only string) ([]NodeStatus, error) {
	var all []NodeStatus
	count := map[string]int{}
	err := n.gather(ctx, topicNodes, &question{Only: only}, n.cfg.Wait, func(answer []byte) bool {
		var s NodeStatus
		if json.Unmarshal(answer, &s) != nil || s.Node == "" || slices.ContainsFunc(all, func(o NodeStatus) bool {
			return o.Node == s.Node && o.Instance == s.Instance // a bus may repeat itself
		}) {
			return true
		}
		all = append(all, s)
		count[s.Node]++
		return true
	})
	for i := range all {
		all[i].Twin = count[all[i].Node] > 1
	}
	slices.SortFunc(all, func(a, b NodeStatus) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Instance, b.Instance))
	})
	return all, err
}

// gather asks a question, and calls f for each answer, until f returns false or none has come for
// wait, or for five times as long if none has come at all.
func (n *Node) gather(
	ctx context.Context, topic string, q *question, wait time.Duration, f func(answer []byte) bool,
) error {
	q.Format, q.From = format, sender{n.cfg.Node, n.instance}
	body, err := json.Marshal(q)
	if err != nil {
		return fmt.Errorf("fleet: question: %w", err) // it has no such values
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(5*wait, cancel)
	defer quiet.Stop()
	for answer, err := range n.bus.Ask(ctx, topic, body) {
		if err != nil {
			return fmt.Errorf("fleet: bus: %w", err)
		}
		quiet.Reset(wait)
		if !f(answer) {
			break
		}
	}
	return nil
}
