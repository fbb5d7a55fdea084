package admission

import "time"

// Place is the place for suspects at a broker that has one, as far as a consumer has to do with it.
// While suspects wait there, consumers take turns at it: the intake stops, what is held ends or
// goes back, and then one suspect after the other is taken and runs alone. The zero Place is ready
// for use. It belongs to a [Suspects].
type Place struct {
	turn   bool // suspects wait, and they have their turn here
	asked  bool // one was asked for, and the broker has not answered
	counts bool // the broker was asked how many wait, and has not answered

	began  time.Time // when the turn began
	next   time.Time // when to ask the broker at the earliest
	resume time.Time // when the next turn may begin
}

const (
	// countEvery is how often the broker is asked whether suspects wait.
	countEvery = time.Second

	// turnMost is how long suspects may run one after the other before other messages are taken
	// again, for as long as the turn took, or restMost if that is less.
	turnMost = time.Second
	restMost = 10 * time.Second
)

// Count reports whether the broker should be asked now how many suspects wait, and notes that it
// is.
func (p *Place) Count(now time.Time) bool {
	if p.counts || p.asked || now.Before(p.next) {
		return false
	}
	p.counts, p.next = true, now.Add(countEvery)
	return true
}

// Counted records the answer. If none waits, the turn is over.
func (p *Place) Counted(n int, now time.Time) {
	p.counts = false
	if n > 0 {
		p.Waits(now)
	} else if !p.asked {
		p.turn = false
	}
}

// Waits records that a suspect waits. Its turn begins, unless others must have theirs first.
func (p *Place) Waits(now time.Time) {
	if !p.turn && !now.Before(p.resume) {
		p.turn, p.began = true, now
	}
}

// Ask records that a suspect is being taken.
func (p *Place) Ask() { p.asked = true }

// Answered records whether there was one.
func (p *Place) Answered(found bool) {
	p.asked = false
	if !found {
		p.turn = false
	}
}

// Closed forgets what was asked in a session that is over.
func (p *Place) Closed() { p.turn, p.asked, p.counts = false, false, false }

// rest ends a turn that was long enough.
func (p *Place) rest(now time.Time) {
	if took := now.Sub(p.began); p.turn && took >= turnMost {
		p.turn, p.resume = false, now.Add(min(took, restMost))
		p.next = p.resume
	}
}
