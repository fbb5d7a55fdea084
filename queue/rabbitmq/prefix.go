package rabbitmq

import (
	"cmp"
	"slices"
)

// prefix records the deliveries of one channel, in the order of tags, and their settlements. It
// turns settlements into the fewest frames. RabbitMQ acknowledges every delivery up to a tag with
// one frame, so such a frame may cover only tags that are all settled: the contiguous settled
// prefix. It has no connection, and is not safe for concurrent use.
//
// Its caller must add tags in rising order, as a channel hands them out, and settle each once.
type prefix struct {
	rows   []row    // rising by tag: all open ones, and settled ones that were not removed yet
	newest uint64   // the highest tag so far
	open   int      // number of open rows
	acks   int      // number of acknowledgements that are not on the wire
	backs  []uint64 // given back, not on the wire
	parks  []uint64 // given up to the dead-letter queue by the broker itself, not on the wire
}

// row is the record of one tag.
type row struct {
	tag   uint64
	held  *held // nil after its settlement, so that the message is not kept longer than its user keeps it
	state rowState
}

// rowState is the state of a delivery. The set is closed.
type rowState uint8

const (
	rowOpen  rowState = iota // handed out and not settled
	rowAcked                 // acknowledged, not on the wire
	rowLate                  // the same, and beyond the prefix for a while
	rowDone                  // on the wire, or given back
)

// frame is one settlement on the wire.
type frame struct {
	tag  uint64
	kind frameKind
}

// frameKind is the kind of a frame. The set is closed.
type frameKind uint8

const (
	ackOne   frameKind = iota // acknowledges tag
	ackUpTo                   // acknowledges tag and all unsettled ones below it
	giveBack                  // returns tag to the queue
	park                      // makes the broker dead-letter tag
)

// hold adds a delivery that was handed out.
func (p *prefix) hold(h *held) {
	p.rows = append(p.rows, row{tag: h.Tag, held: h})
	p.newest = h.Tag
	p.open++
}

// last returns the highest tag so far.
func (p *prefix) last() uint64 { return p.newest }

// find returns the delivery held under tag, and nil if there is none any more.
func (p *prefix) find(tag uint64) *held {
	if r := p.row(tag); r != nil {
		return r.held
	}
	return nil
}

// row finds a tag at its usual index, because tags are contiguous, or else among the rows before,
// because removed rows shift it.
func (p *prefix) row(tag uint64) *row {
	if len(p.rows) == 0 || tag < p.rows[0].tag {
		return nil
	}
	i := int(min(tag-p.rows[0].tag, uint64(len(p.rows)-1)))
	if p.rows[i].tag != tag {
		at, found := slices.BinarySearchFunc(p.rows[:i], tag,
			func(r row, tag uint64) int { return cmp.Compare(r.tag, tag) })
		if !found {
			return nil
		}
		i = at
	}
	return &p.rows[i]
}

// ack settles a tag that is open.
func (p *prefix) ack(tag uint64) {
	p.settle(tag, rowAcked)
	p.acks++
}

// giveBack settles a tag that is open by returning it.
func (p *prefix) giveBack(tag uint64) {
	p.settle(tag, rowDone)
	p.backs = append(p.backs, tag)
}

// park settles a tag that is open by making the broker dead-letter it.
func (p *prefix) park(tag uint64) {
	p.settle(tag, rowDone)
	p.parks = append(p.parks, tag)
}

func (p *prefix) settle(tag uint64, state rowState) {
	r := p.row(tag)
	r.held, r.state = nil, state
	p.open--
}

// pending returns the number of settlements that are not on the wire.
func (p *prefix) pending() int { return p.acks + len(p.backs) + len(p.parks) }

// reach is the extent of a flush. The set is closed.
type reach uint8

const (
	thePrefix reach = iota // acknowledgements beyond the prefix wait for it to grow
	theLate                // those that have waited since the last such flush, or longer, wait no more
	everything
)

// flush appends the frames to send now, in this order, and removes them from prefix: everything in
// the settled prefix, everything given back, and the acknowledgements within reach beyond. When
// more than most would wait for the prefix, all are within reach.
func (p *prefix) flush(frames []frame, far reach, most int) []frame {
	for _, tag := range p.backs { // First, because an ackUpTo must not cover them.
		frames = append(frames, frame{tag, giveBack})
	}
	for _, tag := range p.parks {
		frames = append(frames, frame{tag, park})
	}
	p.backs, p.parks = p.backs[:0], p.parks[:0]
	frames = p.advance(frames)
	if p.acks > most {
		far = everything
	}
	if far > thePrefix && p.acks > 0 {
		frames = p.scatter(frames, far)
	}
	if len(p.rows) > 2*p.open+64 {
		p.rows = slices.DeleteFunc(p.rows, func(r row) bool { return r.state == rowDone })
	}
	return frames
}

// advance removes the settled prefix.
func (p *prefix) advance(frames []frame) []frame {
	n, acks, last := 0, 0, uint64(0)
	for ; n < len(p.rows) && p.rows[n].state != rowOpen; n++ {
		if p.rows[n].state != rowDone {
			acks, last = acks+1, p.rows[n].tag // it must be unsettled at the broker, which would otherwise refuse it
		}
	}
	p.rows = slices.Delete(p.rows, 0, n)
	p.acks -= acks
	switch acks {
	case 0:
		return frames
	case 1:
		return append(frames, frame{last, ackOne})
	}
	return append(frames, frame{last, ackUpTo})
}

// scatter acknowledges tags beyond the prefix one by one: all of them, or those that were late
// before.
func (p *prefix) scatter(frames []frame, far reach) []frame {
	for i := range p.rows {
		switch r := &p.rows[i]; {
		case r.state == rowLate, r.state == rowAcked && far == everything:
			frames = append(frames, frame{r.tag, ackOne})
			r.state = rowDone
			p.acks--
		case r.state == rowAcked:
			r.state = rowLate
		}
	}
	return frames
}
