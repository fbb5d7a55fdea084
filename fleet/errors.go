package fleet

import "errors"

var (
	// ErrNodeTaken is returned by [Join] when another process has the same [Config.Node].
	ErrNodeTaken = errors.New("fleet: another process has this node's id")

	// ErrUnknownNode is returned by [Node.Drain] when no node with that id answers.
	ErrUnknownNode = errors.New("fleet: no node with this id answers")

	// ErrRecord is the reason why a node refuses a record that is not a command: see
	// [NodeStatus.Refused].
	ErrRecord = errors.New("fleet: the record is not a command")
)
