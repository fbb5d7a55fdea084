package memory

import "time"

// Fault is the frequency of a failure. The zero value is never.
type Fault struct {
	// Times is the number of the next opportunities that all fail; -1 is every one.
	Times int

	// Rate is the probability, from 0 to 1, that an opportunity fails after Times is used up.
	Rate float64
}

// Times returns a Fault that strikes the next n opportunities; -1 is every one.
func Times(n int) Fault { return Fault{Times: n} }

// Rate returns a Fault that strikes each opportunity with probability p, from 0 to 1.
func Rate(p float64) Fault { return Fault{Rate: p} }

// Faults are the switches for all failures of a broker. The zero value is a broker without faults.
type Faults struct {
	// LoseSession ends the session when it is about to hand out a delivery, or to apply a batch of
	// settlements. Nothing of that batch is applied. The caller gets [queue.ErrSessionLost].
	LoseSession Fault

	// LoseAck accepts a batch of settlements, so that Settle returns nil, and then ends the session
	// before any is applied. All deliveries that the session held come back, although its user
	// believes them settled.
	LoseAck Fault

	// LoseReply applies a batch of settlements, and then ends the session, so that Settle returns
	// [queue.ErrSessionLost].
	LoseReply Fault

	// Duplicate puts a copy of the message that is handed out behind the tail, with the same id and
	// attempt. A publisher causes this that has not received the confirm, and publishes again. A
	// copy is not copied again.
	Duplicate Fault

	// Reorder hands out any of the next 16 messages instead of the first.
	Reorder Fault

	// RefuseOpen makes Open return RefuseError, or [ErrRefused] if that is nil.
	RefuseOpen  Fault
	RefuseError error

	// FailSettle applies nothing of a batch of settlements, or of returns: all deliveries stay held
	// and may be settled again. Settle returns a [*queue.SettleError] with FailError for each, or
	// [ErrRefused] if that is nil.
	FailSettle Fault
	FailError  error

	// RefuseCopy refuses single settlements that need a copy at most brokers: a requeue, a release
	// with a delay, a dead letter. The delivery stays held. The reason is CopyError, or
	// [ErrRefused] if that is nil.
	RefuseCopy Fault
	CopyError  error

	// MaxBody refuses a settlement that needs a copy with [queue.ErrTooLarge] if the body has more
	// bytes. Zero means no limit.
	MaxBody int

	// MaxDelay refuses a settlement that needs a copy with [queue.ErrUnsupported] if its delay is
	// longer. Zero means no limit.
	MaxDelay time.Duration

	// BlockCopy makes a call of Settle with a settlement that needs a copy wait, as during a
	// broker's alarm. It waits until BlockCopy is switched off, the session is over, or the context
	// of the call ends. Nothing of the batch is applied in that last case.
	BlockCopy bool

	// CrudeReturn makes [queue.Returner] cost an attempt and ignore delays, as on RabbitMQ.
	CrudeReturn bool

	// FailReturn refuses single returns with [ErrRefused].
	FailReturn Fault

	// Silent hands out nothing in any session, though messages wait and slots are free. See also
	// [Queue.Stall].
	Silent bool

	// Standby, if not empty, hands out nothing, and is the reason that sessions report: see
	// [queue.Standby].
	Standby string

	// BlockPublish makes Publish wait, as during a broker's alarm, until it is switched off or the
	// publisher's context ends.
	BlockPublish bool

	// Late is how many deliveries are on their way when Cancel is called, as far as messages wait
	// and slots are free: they still arrive.
	Late int

	// SlowOpen, SlowReceive, SlowSettle and SlowPublish are the time that each call waits before it
	// does anything.
	SlowOpen, SlowReceive, SlowSettle, SlowPublish time.Duration
}

// reach is the number of messages among which Reorder chooses.
const reach = 16

// Faults returns the present switches: Times of each is the number that is left.
func (q *Queue) Faults() Faults {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.faults
}

// SetFaults replaces all switches, at once and also for sessions that are open. SetFaults(Faults{})
// ends all faults.
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

// LoseSession breaks the n-th session ever opened, from 1, as a network fault does. It reports
// whether that session was open.
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

// LoseSessions breaks every open session, and returns their number.
func (q *Queue) LoseSessions() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.sessions)
	for len(q.sessions) > 0 {
		q.sessions[0].lose()
	}
	return n
}

// Stall makes every session that is now open go silent for good, like a subscription that the
// broker has forgotten. No delivery arrives, and no error either, while settlements still work.
// Sessions that are opened later work. Stall returns the number of stalled sessions.
func (q *Queue) Stall() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.sessions {
		s.stalled = true
	}
	return len(q.sessions)
}

// StallIntake is Stall until the session is cancelled and resumed, like a subscription that the
// broker has forgotten while the session itself is still there.
func (q *Queue) StallIntake() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.sessions {
		s.unheard = true
	}
	return len(q.sessions)
}

// strikes decides at random whether f strikes this opportunity.
func (q *Queue) strikes(f *Fault) bool {
	if f.Times > 0 {
		f.Times--
		return true
	}
	return f.Times < 0 || f.Rate > 0 && q.rng.Float64() < f.Rate
}
