package gentask

import (
	"time"

	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/queue"
)

// phase is the phase of the consumer's session. The set is closed. The order is
//
//	closed, opening, receiving, pausing, paused, resuming, receiving, ...
//
// and any of them but closed may be followed by closing, and then by closed.
type phase uint8

const (
	phaseClosed    phase = iota // there is no session; the next is opened after a while
	phaseOpening                // the link opens it
	phaseReceiving              // deliveries flow
	phasePausing                // the broker was asked to send no more
	phasePaused                 // nothing comes
	phaseResuming               // the broker was asked to send again
	phaseClosing                // its deliveries are lost; its goroutines may still run
)

// session is the ledger's record of its sessions: the phase of the present one, and how the last
// ones ended. It changes nothing but itself, and passes the changes of its phase on to its link.
type session struct {
	phase    phase
	since    time.Time    // when the phase began
	link     *sessionLink // nil when closed
	opened   time.Time    // when it was opened
	failures int          // sessions in a row that broke soon, and brought no delivery
	err      error        // why the last one broke, or was not opened; nil while there is one
	silence  silence
}

// enter begins a phase.
func (s *session) enter(p phase) { s.phase, s.since = p, time.Now() }

// cancelIntake asks the broker to send no more.
func (s *session) cancelIntake() {
	s.enter(phasePausing)
	s.link.CancelIntake()
}

// resumeIntake asks the broker to send again. The session must be paused: a resume might overtake a
// cancel.
func (s *session) resumeIntake() {
	s.enter(phaseResuming)
	s.link.ResumeIntake()
}

// close ends the session, within the given time.
func (s *session) close(within time.Duration) {
	s.enter(phaseClosing)
	s.link.Close(within)
}

// flush is called at the end of each turn of the ledger.
func (s *session) flush() {
	if s.link != nil {
		s.link.Flush()
	}
}

// open reports whether there is a session.
func (s *session) open() bool { return s.phase >= phaseReceiving && s.phase <= phaseResuming }

// stale reports whether a message of k must be ignored, because its session and its deliveries are
// gone.
func (s *session) stale(k *sessionLink) bool { return k != s.link || s.phase == phaseClosing }

// begin is called when the session is open.
func (s *session) begin() {
	s.enter(phaseReceiving)
	s.opened, s.err, s.silence = s.since, nil, silence{since: s.since}
}

// brought is called when the session has brought a delivery. It reports whether a renewal of the
// intake has brought it.
func (s *session) brought(now time.Time) (mended bool) {
	s.failures = 0
	return s.silence.brought(now)
}

// promptly is how long a broker may take to open a session before that is a reason to complain.
const promptly = time.Second

// cutShort reports whether the consumer's own end has cut an attempt to open a session that was not
// slow. Its error is no fault of the broker. It is called while the consumer drains.
func (s *session) cutShort() bool { return s.phase == phaseOpening && time.Since(s.since) < promptly }

// fail records why a session broke, or was not opened, and returns which of the two it is. A
// session that lasted for longer than good is not counted as a failure, even if it brought nothing.
func (s *session) fail(reason error, good time.Duration) EventKind {
	s.err = reason
	if !s.open() {
		return EventOpenFailed
	}
	if time.Since(s.opened) > good {
		s.failures = 0
	}
	return EventSessionLost
}

// maxUnreachableBackoff is the most failures that count while nothing answers at the broker's
// address, or for the queue. An attempt costs next to nothing then. The interval must stay short,
// so that consumers return together with the broker.
const maxUnreachableBackoff = 4

// failed counts a session that broke or was not opened. It returns how many did in a row.
func (s *session) failed() int {
	s.failures++
	if unreachable(s.err) {
		s.failures = min(s.failures, maxUnreachableBackoff)
	}
	return s.failures
}

// closeWithin returns how long a session that was given up for a reason may take to close.
func closeWithin(reason error) time.Duration {
	if reason == ErrSilent { //nolint:errorlint // the reason itself
		return silentGoodbye
	}
	return link.CloseTimeout
}

const (
	// quietFor is how long nothing may come, with slots free, before the broker is asked for its
	// backlog. It is also the interval after an answer that nothing waits. It is doubled for each
	// session in a row that brought nothing, up to quietDoublings times. The broker may have a
	// reason to pass over such a consumer.
	quietFor       = 1500 * time.Millisecond
	quietDoublings = 5

	// silentGoodbye is how long a silent session may take to close: its network may be dead.
	silentGoodbye = 500 * time.Millisecond

	// doubtsEnough is how many answers in a row, a tick apart, must report waiting messages while
	// nothing is received. A single one may count a message that is on its way.
	doubtsEnough = 2

	// renewTime is how long a renewal of the intake may take. A dead network would not answer it.
	// It is a little less than two ticks, so that the second one sees that it hangs.
	renewTime = 900 * time.Millisecond
)

// silence is the state of a session that brings nothing.
type silence struct {
	since   time.Time // the last delivery, or another reason to expect none
	asking  bool      // the broker is being asked for its backlog
	doubts  int       // answers in a row that messages wait
	renewed bool      // the intake was renewed, and has brought nothing yet
	standby string    // why the broker may deliver nothing; empty if it should
}

// expected records that no delivery is due.
func (s *silence) expected(now time.Time) { s.since, s.doubts = now, 0 }

// renew records that the intake is renewed.
func (s *silence) renew(now time.Time) {
	s.renewed = true
	s.expected(now)
}

// brought records a delivery, and reports whether a renewal of the intake has brought it.
func (s *silence) brought(now time.Time) (mended bool) {
	mended = s.renewed
	s.since, s.renewed, s.standby = now, false, ""
	return mended
}

// suspicious reports whether the broker should be asked for its backlog. After a renewal, waiting
// messages must come at once.
func (s *session) suspicious(now time.Time) bool {
	quiet := quietFor << min(s.failures, quietDoublings)
	if s.silence.renewed {
		quiet = tickEvery
	}
	return !s.silence.asking && now.Sub(s.silence.since) >= quiet
}

// listen asks for the broker's backlog when nothing has come for a while although it could: the
// consumer takes work, and fewer deliveries are held than the prefetch.
func (s *session) listen(source queue.Source, takesWork bool, held int, now time.Time) {
	if s.phase != phaseReceiving || !takesWork || held >= s.link.Prefetch() {
		s.silence.expected(now)
		return
	}
	if reporter, can := source.(queue.BacklogReporter); can && s.suspicious(now) {
		s.silence.asking = true
		s.link.AskBacklog(reporter)
	}
}

// renewalHangs reports whether a renewal of the intake takes too long.
func (s *session) renewalHangs(now time.Time) bool {
	return s.silence.renewed && (s.phase == phasePausing || s.phase == phaseResuming) &&
		now.Sub(s.since) >= renewTime
}

// answered records the broker's answer. It reports whether the session is silent: messages wait, it
// is not on standby, and none comes.
func (s *silence) answered(msg *backlogCounted) (silent bool) {
	s.asking = false
	if msg.Err != nil {
		return false
	}
	s.standby = msg.Standby
	switch {
	case msg.Waiting == 0, msg.Standby != "":
		s.renewed = false
		s.expected(time.Now())
	case s.since.After(msg.Asked):
		s.expected(time.Now())
	default:
		s.doubts++
	}
	return s.doubts == doubtsEnough
}
