package rabbitmq

import "slices"

// prefix turns the settlements of one channel into the fewest frames. RabbitMQ acknowledges with one frame every delivery up to a tag,
// finished or not, so such a frame may go only over tags that are all settled: the contiguous settled prefix. It knows nothing of
// connections, and is not safe for concurrent use.
//
// It takes tags in rising order, as a channel hands them out, and each settled once; its caller sees to both.
type prefix struct {
	open  map[uint64]struct{} // handed out and not settled
	order []uint64            // rising: all of open, and settled tags that were not swept away yet
	acks  []uint64            // acknowledged, not on the wire
	backs []uint64            // given back, not on the wire
}

// frame is one settlement on the wire.
type frame struct {
	tag  uint64
	kind frameKind
}

// frameKind is what a frame does. The set is closed.
type frameKind uint8

const (
	ackOne   frameKind = iota // acknowledges tag
	ackUpTo                   // acknowledges tag and all unsettled ones below it
	giveBack                  // returns tag to the queue
)

// hold notes a tag that was handed out.
func (p *prefix) hold(tag uint64) {
	if p.open == nil {
		p.open = make(map[uint64]struct{})
	}
	p.open[tag] = struct{}{}
	p.order = append(p.order, tag)
}

// ack settles tag.
func (p *prefix) ack(tag uint64) {
	delete(p.open, tag)
	p.acks = append(p.acks, tag)
}

// giveBack settles tag by returning it.
func (p *prefix) giveBack(tag uint64) {
	delete(p.open, tag)
	p.backs = append(p.backs, tag)
}

// pending is how many settlements are not on the wire.
func (p *prefix) pending() int { return len(p.acks) + len(p.backs) }

// flush appends to frames what is to be sent now, in this order, and forgets it: everything in the settled prefix, and everything given back.
// Acknowledgements beyond the prefix wait for it to grow, unless there are more than patience of them.
func (p *prefix) flush(frames []frame, patience int) []frame {
	for _, tag := range p.backs { // First: an ackUpTo must not find them at the broker.
		frames = append(frames, frame{tag, giveBack})
	}
	p.backs = p.backs[:0]
	slices.Sort(p.acks)
	n := p.within()
	switch {
	case n == 1:
		frames = append(frames, frame{p.acks[0], ackOne})
	case n > 1:
		frames = append(frames, frame{p.acks[n-1], ackUpTo}) // A tag that is unsettled at the broker, or it would refuse.
	}
	p.acks = p.acks[:copy(p.acks, p.acks[n:])]
	if len(p.acks) <= patience {
		return frames
	}
	for _, tag := range p.acks {
		frames = append(frames, frame{tag, ackOne})
	}
	p.acks = p.acks[:0]
	return frames
}

// within is how many acks lie below every open tag.
func (p *prefix) within() int {
	p.sweep()
	if len(p.order) == 0 {
		return len(p.acks)
	}
	n, _ := slices.BinarySearch(p.acks, p.order[0])
	return n
}

// sweep drops settled tags from the front of order, and from all of it when they are the most: one slow delivery must not cost memory
// for all that pass it by.
func (p *prefix) sweep() {
	n := 0
	for n < len(p.order) && !p.isOpen(p.order[n]) {
		n++
	}
	p.order = p.order[:copy(p.order, p.order[n:])]
	if len(p.order) > 2*len(p.open)+64 {
		p.order = slices.DeleteFunc(p.order, func(tag uint64) bool { return !p.isOpen(tag) })
	}
}

func (p *prefix) isOpen(tag uint64) bool {
	_, open := p.open[tag]
	return open
}
