package rabbitmq

// unsetPriority is the priority that a quorum queue gives a message without one, and the client
// does not send a priority of zero.
const unsetPriority = 4

// scale translates [queue.Message.Priority] into the priorities of a queue, and back. The zero
// scale is that of a queue without priorities.
//
// A classic queue has those that it was declared with, from 0. A quorum queue always has 32, where
// a message without a priority is in between: there our 1 is the one above that.
type scale struct {
	most  int // Config.MaxPriority
	above int // the queue's priority of a message without one
}

// scale returns that of the work queues on a server.
func (b *Broker) scale(server serverVersion) scale {
	s := scale{most: b.cfg.MaxPriority}
	if b.quorum && server.hasQuorumPriorities() {
		s.above = unsetPriority
	}
	return s
}

// level returns the queue's priority for that of a message, which has been checked.
func (s scale) level(priority int) uint8 {
	if priority == 0 {
		return 0 // not sent
	}
	return uint8(s.above + priority) //nolint:gosec // both are small
}

// priority returns the message's priority for that of the queue. A higher one than the most has no
// effect, and neither has a lower one than that of other messages.
func (s scale) priority(level uint8) int {
	return max(0, min(int(level)-s.above, s.most))
}
