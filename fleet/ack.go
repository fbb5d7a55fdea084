package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/gentask/gentask/queue"
)

// Command is a command as it is kept in the store.
type Command struct {
	// Kind is what it changes: "paused", "concurrency", "rate", "breaker_open", "breaker_reset",
	// "cancelled" or "drained".
	Kind string

	// Queue, Job and Node are what it is for. A cancellation with an empty Queue is for all queues.
	Queue, Job, Node string

	// Value is what it commands, as text; empty if it takes the command back.
	Value string

	// By, Reason and At are who has given it, why and when, by the clock there.
	By, Reason string
	At         time.Time

	// Generation counts the commands for the same thing. Revision is that of its record.
	Generation uint64
	Revision   queue.Revision

	node   *Node
	record *record
}

func newCommand(n *Node, r *record, revision queue.Revision) *Command {
	return &Command{
		Kind: string(r.Kind), Queue: r.Queue, Job: r.Job, Node: r.Node, Value: r.text(), By: r.By, Reason: r.Reason,
		At: r.At, Generation: r.Generation, Revision: revision, node: n, record: r,
	}
}

// text returns the value as text; empty if it is off.
func (r *record) text() string {
	switch {
	case r.off():
		return ""
	case r.Kind == kindConcurrency:
		return fmt.Sprint(r.Concurrency)
	case r.Kind == kindRate && r.Rate.PerSecond == 0:
		return "no limit"
	case r.Kind == kindRate:
		return fmt.Sprintf("%g/s", r.Rate.PerSecond)
	}
	return "on"
}

const (
	// reportTime is how long Report waits for nodes that have not carried out the command.
	reportTime = 5 * time.Second

	// askAgain is the first wait for acks, and the wait between two questions.
	askAgain = 20 * time.Millisecond
)

// Acks yields what the nodes have made of the command, each one as soon as it has carried it out. A
// node that runs no consumer for it yields nothing. Acks can't know how many nodes there are: it
// goes on until ctx or the loop ends. It yields an error as the last thing, if the broker is away
// or refuses, or the node is closed.
func (c *Command) Acks(ctx context.Context) iter.Seq2[Ack, error] {
	return func(yield func(Ack, error) bool) {
		done := map[sender]bool{}
		goes := true
		for wait := askAgain; goes && ctx.Err() == nil; wait = min(2*wait, c.node.cfg.Wait) {
			err := c.ask(ctx, wait, func(a Ack) bool {
				if from := (sender{a.Node, a.Instance}); !a.Pending && !done[from] {
					done[from] = true
					goes = yield(a, nil)
				}
				return goes
			})
			if err != nil {
				yield(Ack{}, err)
				return
			}
			if goes {
				rest(ctx, askAgain)
			}
		}
	}
}

// Report returns what the nodes that answer have made of the command, in the order of their IDs. It
// waits until all of them have carried it out, for five seconds at most, and for [Config.Wait]
// after the last answer. Those that have not by then, or by the end of ctx, are Pending. A node
// that can't be reached is missing: it carries out the command when it is back.
func (c *Command) Report(ctx context.Context) ([]Ack, error) {
	ctx, cancel := context.WithTimeout(ctx, reportTime)
	defer cancel()
	all := map[sender]Ack{}
	for {
		rest(ctx, askAgain) // most nodes have carried it out by then
		err := c.ask(ctx, c.node.cfg.Wait, func(a Ack) bool {
			all[sender{a.Node, a.Instance}] = a
			return true
		})
		if err != nil {
			return nil, err
		}
		list := slices.SortedFunc(maps.Values(all), func(a, b Ack) int {
			return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Instance, b.Instance))
		})
		if ctx.Err() != nil || !slices.ContainsFunc(list, func(a Ack) bool { return a.Pending }) {
			return list, nil
		}
	}
}

// ask asks the nodes once, and calls f for each answer, until f returns false or none has come for
// wait.
func (c *Command) ask(ctx context.Context, wait time.Duration, f func(Ack) bool) error {
	about := &record{
		Kind: c.record.Kind, Queue: c.record.Queue, Job: c.record.Job, Node: c.record.Node, Instance: c.record.Instance,
	}
	q := &question{Command: about, Revision: c.Revision}
	return c.node.gather(ctx, topicAcks, q, wait, func(answer []byte) bool {
		var a Ack
		if json.Unmarshal(answer, &a) != nil || a.Node == "" {
			return true // of another program
		}
		return f(a)
	})
}

// answerAcks answers what this node has made of a command; nil if that is not for it.
func (n *Node) answerAcks(asked []byte) []byte {
	var q question
	if json.Unmarshal(asked, &q) != nil || q.Command == nil {
		return nil
	}
	a := Ack{Node: n.cfg.Node, Instance: n.instance}
	for _, c := range n.follower.consumers {
		if !q.Command.concerns(c.place) {
			continue
		}
		made, done := n.follower.outcome(c, q.Command.key(), q.Revision)
		a.Pending = a.Pending || !done
		own := ConsumerAck{Name: clip(c.Name(), mostIDText), Queue: clip(c.place.queue, mostIDText), Jobs: made.jobs}
		if done && made.err != nil {
			own.Error = clip(made.err.Error(), mostText)
		}
		a.Consumers = append(first(a.Consumers, mostListed-1), own)
	}
	if a.Consumers == nil {
		return nil
	}
	body, err := json.Marshal(a)
	if err != nil {
		return nil // it has no such values
	}
	return body
}

// Commands returns the commands that are in force, also those for queues that no node has, in the
// order of their revisions. It needs the broker until the store was read: bound ctx.
func (n *Node) Commands(ctx context.Context) ([]*Command, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := newState()
	for change, err := range n.store.Watch(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("fleet: store: %w", err)
		}
		if s.feed(change) {
			break
		}
	}
	if s.staged != nil {
		return nil, fmt.Errorf("fleet: the commands could not be read: %w", ctx.Err())
	}
	var all []*Command
	for _, key := range slices.Backward(s.inOrder()) {
		if r := s.records[key]; r.record != nil && !r.off() {
			all = append(all, newCommand(n, r.record, r.Revision))
		}
	}
	return all, nil
}

// rest waits for d, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
