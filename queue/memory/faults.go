package memory

import "time"

// Fault says how often something goes wrong. The zero value is never.
type Fault struct {
	// Times is how many of the next opportunities are struck, one after the other; -1 is every one.
	Times int

	// Rate is the probability, from 0 to 1, that an opportunity is struck when Times is used up.
	Rate float64
}

// Times strikes the next n opportunities; -1 is every one.
func Times(n int) Fault { return Fault{Times: n} }

// Rate strikes each opportunity with probability p, from 0 to 1.
func Rate(p float64) Fault { return Fault{Rate: p} }

// Faults are the switches for everything that goes wrong with a broker. The zero value is a broker without faults.
type Faults struct {
	// LoseSession ends the session when it is about to hand out a delivery or to apply a batch of settlements, of which nothing is
	// applied. The caller gets queue.ErrSessionLost.
	LoseSession Fault

	// LoseAck accepts a batch of settlements, so that Settle returns nil, and then ends the session before any is applied: all that the
	// session held comes back, though its user believes it settled.
	LoseAck Fault

	// LoseReply applies a batch of settlements, and then ends the session, so that Settle returns queue.ErrSessionLost.
	LoseReply Fault

	// Duplicate puts a copy of the message that is handed out behind the tail, with the same id and attempt, as a publisher does that
	// has not seen the confirm and publishes again. A copy is not copied again.
	Duplicate Fault

	// Reorder hands out any of the next 16 messages instead of the first.
	Reorder Fault

	// RefuseOpen makes Open return RefuseError, or ErrRefused when that is nil.
	RefuseOpen  Fault
	RefuseError error

	// FailSettle applies nothing of a batch of settlements, or of returns: all of it stays held and may be settled again. Settle returns a
	// *queue.SettleError with FailError for each, or ErrRefused when that is nil.
	FailSettle Fault
	FailError  error

	// RefuseCopy refuses single settlements that need a copy at most brokers: a requeue, a release with a delay, a dead letter.
	// The delivery stays held. The reason is CopyError, or ErrRefused when that is nil.
	RefuseCopy Fault
	CopyError  error

	// MaxBody refuses such a settlement with queue.ErrTooLarge when the body has more bytes. Zero means no limit.
	MaxBody int

	// MaxDelay refuses a settlement with queue.ErrUnsupported when its delay is longer. Zero means no limit.
	MaxDelay time.Duration

	// BlockCopy makes a call of Settle with such a settlement wait, as a broker does with an alarm, until it is switched off, the
	// session is over, or the context of the call ends. Nothing of the batch is applied then.
	BlockCopy bool

	// CrudeReturn makes Return cost an attempt and ignore delays, as it does on RabbitMQ before 4.3.
	CrudeReturn bool

	// FailReturn refuses single returns with ErrRefused.
	FailReturn Fault

	// Silent hands out nothing in any session, though messages wait and slots are free. See also Stall.
	Silent bool

	// BlockPublish makes Publish wait, as a broker does with an alarm, until it is switched off or the publisher's context ends.
	BlockPublish bool

	// Late is how many deliveries are on their way when Cancel is called, as far as messages wait and slots are free: they still arrive.
	Late int

	// SlowOpen, SlowReceive, SlowSettle and SlowPublish are how long each call takes before it does anything.
	SlowOpen, SlowReceive, SlowSettle, SlowPublish time.Duration
}

// reach is how far Reorder looks ahead.
const reach = 16

// Faults returns the switches as they are now: Times has what is left.
func (q *Queue) Faults() Faults {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.faults
}

// SetFaults replaces all switches, at once and for sessions that are open too. SetFaults(Faults{}) ends all trouble.
func (q *Queue) SetFaults(f Faults) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.faults = f
	if q.closed {
		return
	}
	close(q.changed)
	q.changed = make(chan struct{})
	q.wake()
}

// LoseSession breaks the n-th session ever opened, from 1, as a network fault does. It reports whether that session was open.
func (q *Queue) LoseSession(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.sessions {
		if s.number == n {
			s.lose()
			return true
		}
	}
	return false
}

// LoseSessions breaks every open session, and returns how many there were.
func (q *Queue) LoseSessions() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.sessions)
	for len(q.sessions) > 0 {
		q.sessions[0].lose()
	}
	return n
}

// Stall makes every session that is open now go silent for good, as a subscription that the broker has forgotten: nothing arrives any more,
// and no error either, while settlements still work. Sessions opened later flow. It returns how many were stalled.
func (q *Queue) Stall() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.sessions {
		s.stalled = true
	}
	return len(q.sessions)
}

// strikes draws whether an opportunity of f is struck.
func (q *Queue) strikes(f *Fault) bool {
	if f.Times > 0 {
		f.Times--
		return true
	}
	return f.Times < 0 || f.Rate > 0 && q.rng.Float64() < f.Rate
}
