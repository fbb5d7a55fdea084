// Package fleet makes the nodes of a program visible to each other and to operators, and steers
// them, through the broker that is there. A node is a process with consumers. There is no leader,
// no database, and no connection between nodes.
//
//	node, err := fleet.Join(ctx, broker, fleet.Config{Version: "1.4.2"}, emails, reports)
//	...
//	defer node.Close()
//	err = emails.Run(ctx)
//
// Any node can ask who is there, and give commands. So can a program that joins without consumers,
// such as a command line tool:
//
//	nodes, err := node.Nodes(ctx)
//	command, err := node.Pause(ctx, "emails", gentask.Author{By: "ana", Reason: "the provider is down"})
//	acks, err := command.Report(ctx)
//
// It can also ask which tasks run, with their stacks, and watch what happens on all nodes:
//
//	tasks, err := node.Tasks(ctx, "", "emails")
//	for event, err := range node.Events(ctx, fleet.EventFilter{Queue: "emails"}) { ... }
//
// # Commands are state
//
// A command is a record in the broker's [queue.Store], and not a message. Each node watches the
// records, and its consumers follow all of them at any time: see [gentask.Overrides]. So a node
// that was cut off, or starts later, has every command as soon as it is back, and before its
// consumers start a job. Commands of one kind replace each other, and the last one counts.
//
// # Presence is a question
//
// [Node.Nodes] asks on the broker's [queue.Bus], and the nodes that are reached answer. They make
// their answer at most once a second, however many ask. While no one asks, there is no traffic for
// it. [Node.Tasks], [Node.Events] and [Node.Tree] ask in the same way. A node records events only
// while someone watches them.
//
// docs/fleet.md describes the costs and the limits.
//
//snippets:needs ctx context.Context; broker *memory.Broker; emails, reports *gentask.Consumer; node *fleet.Node
package fleet
