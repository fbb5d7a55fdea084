package gentask

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

// fail notes that something was seen that must never be.
func (s *sim) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, fmt.Sprintf("%v: "+format, append([]any{time.Since(s.begun)}, args...)...))
}

// enter notes the begin of a run. Another run of the same message may not have
// returned, but then it is of another delivery, and was abandoned.
func (s *sim) enter(ctx context.Context, job Job[any], id string) *simRun {
	if job.ID() != id {
		s.fail("a run of %q is told that it is of %q", id, job.ID())
	}
	s.runs++
	r := &simRun{s: s, ctx: ctx, job: job, task: taskOf(job.entry), name: fmt.Sprintf("run %d", s.runs)}
	s.trace.note("run of", id, s.runs)
	if s.bad[id] {
		s.fail("%q can't be decoded, and ran", id)
	}
	message := job.entry.item.Identity
	for _, other := range s.active[message] {
		if !other.task.Over() && !r.task.Over() || other.job.entry == job.entry {
			s.fail("two runs of %q at the same time: %s and %s", id, other.name, r.name)
		}
	}
	if !r.task.Over() { // it was abandoned in the decoder
		s.allowed(job)
		s.uncancelled(job.entry)
	}
	s.active[message] = append(s.active[message], r)
	if n := s.unabandoned(); n > s.most() {
		s.fail("%d runs at the same time, concurrency is %d", n, s.most())
	}
	return r
}

// most is how many jobs may ever run at a time.
func (s *sim) most() int {
	if s.everything != nil {
		return s.cfg.Prefetch // which SetConcurrency may come to
	}
	return s.widest
}

// unabandoned counts the runs that are supervised.
func (s *sim) unabandoned() int {
	n := 0
	for _, runs := range s.active {
		for _, r := range runs {
			if !r.task.Over() {
				n++
			}
		}
	}
	return n
}

// leave notes the end of a run.
func (s *sim) leave(r *simRun) {
	id := r.job.ID()
	message := r.job.entry.item.Identity
	runs := s.active[message][:0]
	for _, other := range s.active[message] {
		if other != r {
			runs = append(runs, other)
		}
	}
	s.active[message] = runs
	s.trace.note("end of a run of", id, 0)
	late := time.Since(r.stopped) - max(s.cfg.Grace, 0)
	if s.everything != nil {
		late -= 3 * max(s.cfg.Grace, 0) // the end of a drain, of a session and of a ledger each start it again
	}
	if !r.stopped.IsZero() && late > time.Second && !r.task.Over() && s.hasDeadline(r) {
		s.fail("%s of %q was told to stop, and not abandoned when its grace was over, %v ago", r.name, id, late)
	}
}

// hasDeadline reports whether a part that waits for the task has stopped it.
func (s *sim) hasDeadline(r *simRun) bool {
	cause := context.Cause(r.ctx)
	return errors.Is(cause, ErrCancelled) || errors.Is(cause, ErrDrained) || errors.Is(cause, ErrSessionLost) ||
		errors.Is(cause, ErrWorkerLost) || errors.Is(cause, task.ErrTimeout)
}

// heard counts what a worker gets. The last word comes once.
func (s *sim) heard(e *entry, status task.Status) {
	s.trace.note("heard "+status.String(), e.delivery.ID, e.delivery.Attempt)
	if status == task.Timeout {
		return
	}
	t := e.task
	if t == nil || t.ID() == 0 {
		return
	}
	if s.final[t] {
		s.fail("a worker of %q heard twice how its task ended", e.delivery.ID)
	}
	s.final[t] = true
}

// atRest checks what must hold whenever nothing goes on: the books of consumer and broker agree,
// what can flow has flowed, and each job that has a slot runs.
func (s *sim) atRest() {
	l := s.ledger
	if l == nil || !l.session.open() || l.drain != nil || s.broker.busy.Load() > 0 {
		return
	}
	st := s.q.Stats()
	dry := l.session.phase == phasePaused || l.session.phase == phaseResuming
	if !dry && st.Held != l.held.Len() {
		s.fail("at rest, the broker has %d unacknowledged, the ledger holds %d", st.Held, l.held.Len())
	}
	if l.takesWork() && !dry && st.Ready > 0 && st.Held < s.cfg.Prefetch {
		s.fail("at rest, %d messages wait, and %d are held with prefetch %d", st.Ready, st.Held, s.cfg.Prefetch)
	}
	if l.takesWork() == dry {
		s.fail("at rest, intake is %v, and dry is %v", l.takesWork(), dry)
	}
	s.flows(l)
	s.slots(l)
	s.overridden(l)
}

func (s *sim) slots(l *ledger) {
	for e := range l.busy.All() {
		if !l.waiting.First(&e.item) || !e.item.Working() {
			s.fail("at rest, %q is busy, and its message is not", e.delivery.ID)
		}
		if e.unfinished() == nil && (e.workerPID() == nil || !actor.Alive(l.sys, e.workerPID())) && l.workers.orphanOf(e) == nil {
			s.fail("at rest, %q has a slot, and nobody works on it", e.delivery.ID)
		}
	}
	for e := range l.busy.All() {
		if e.isLost() && !s.cfg.FinishLost && !e.stopped() {
			s.fail("at rest, %q is lost, and runs on", e.delivery.ID)
		}
	}
	for _, fault := range l.waiting.Faults() {
		s.fail("at rest, %s", fault)
	}
	for _, o := range l.workers.orphans {
		if !o.entry.busy() {
			s.fail("at rest, an orphan of %q has no slot", o.entry.delivery.ID)
		}
	}
}

func (e *entry) isLost() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lost
}

// drained stops the consumer while it works and nothing goes wrong: every delivery is settled, and
// none comes back because of a closed session.
func (s *sim) drained() {
	s.publish(5 + s.below(20))
	s.until(s.upTo(3*time.Millisecond), nil)
	before := s.q.Stats().Returned
	s.stop()
	if !s.until(time.Minute, s.consumer.current().over) {
		s.fail("the consumer does not stop: %+v", s.consumer.Health())
	}
	if n := s.q.Stats().Returned - before; n > 0 {
		s.fail("I1: %d deliveries came back, though the consumer was drained in peace", n)
	}
	s.start()
}

// settledAll checks the books when the queue is empty and the consumer has ended.
func (s *sim) settledAll() {
	if err := s.q.Check(); err != nil {
		s.fail("%v", err)
	}
	journal := s.q.Journal()
	for _, e := range journal {
		if e.Op == memory.Refused && errors.Is(e.Err, queue.ErrSettled) {
			s.fail("I1: %v of %q (session %d, tag %d) after its settlement, or in another session", e.Disposition, e.ID, e.Session, e.Tag)
		}
		if e.Op == memory.Settled && e.Disposition == queue.Ack && s.bad[e.ID] && !s.untried[e.ID] {
			s.fail("%q can't be decoded, and was acknowledged", e.ID)
		}
	}
	if h := s.consumer.Health(); h.Running != 0 || h.Held != 0 || h.State != Stopped {
		s.fail("at the end: %+v", h)
	}
	if p := s.everything; p != nil && p.pool != nil && p.pool.InUse() > 0 {
		s.fail("at the end, %d places of the pool are taken", p.pool.InUse())
	}
	if p := s.everything; p != nil && p.quota != nil && (len(p.quota.used) > 0 || p.quota.want > 0 || p.quota.faults != nil) {
		s.fail("at the end, %d units of the quota are taken, and %d wanted; %v", len(p.quota.used), p.quota.want, p.quota.faults)
	}
	if p := s.everything; p != nil && p.rate != nil && (p.rate.out || p.rate.wants || p.rate.faults != nil) {
		s.fail("at the end, of the rate a token is out: %v, and more is wanted: %v; %v", p.rate.out, p.rate.wants, p.rate.faults)
	}
	if p := s.everything; p != nil && p.keys != nil && len(p.keys.left()) > 0 {
		s.fail("at the end, units of the keys %v are taken or wanted", p.keys.left())
	}
	s.told(journal)
}

// simTold counts what events and journal say of one attempt of one message.
type simTold struct{ delivered, start, begun, end int }

type simAttempt struct {
	id      string
	attempt int
}

// told checks that each delivery that reached the ledger has one start event and one end event,
// which reports how it was settled.
func (s *sim) told(journal []memory.Entry) {
	told := map[simAttempt]*simTold{}
	dispositions := map[simAttempt]map[queue.Disposition]int{}
	back := map[string]bool{} // ids that were given back: queue and ledger may count their attempts differently
	for _, e := range journal {
		back[e.ID] = back[e.ID] || e.Op == memory.GivenBack
	}
	of := func(id string, attempt int) (*simTold, map[queue.Disposition]int) {
		if back[id] {
			attempt = 0
		}
		k, whole := simAttempt{id, attempt}, simAttempt{id, attempt}
		if s.cfg.Policy.Order.Strict {
			whole.attempt = 0 // the broker doesn't know of those in place
		}
		if told[k] == nil {
			told[k] = &simTold{}
		}
		if dispositions[whole] == nil {
			dispositions[whole] = map[queue.Disposition]int{}
		}
		return told[k], dispositions[whole]
	}
	for _, e := range journal {
		n, v := of(e.ID, e.Attempt)
		switch e.Op { //nolint:exhaustive // the others say nothing about it
		case memory.Delivered:
			n.delivered++
		case memory.Settled:
			v[e.Disposition]++
		}
	}
	lostAcks := s.q.Stats().LostAcks
	for _, ev := range s.trace.told() {
		n, v := of(ev.ID, ev.Attempt)
		switch ev.Kind {
		case EventReceived:
			n.start++
		case EventStarted:
			if n.begun++; n.begun > n.start || n.end == n.start {
				s.fail("I34: attempt %d of %q has %d runs for %d deliveries, of which %d are over", ev.Attempt, ev.ID, n.begun, n.start, n.end)
			}
		case EventDone:
			n.end++
			if n.begun == 0 && (ev.Outcome != 0 || ev.QueueTime > 0) {
				s.fail("I34: attempt %d of %q has run, and was not started", ev.Attempt, ev.ID)
			}
			if ev.InPlace {
				again := ev.Attempt
				if ev.Disposition == queue.Requeue {
					again++
				}
				next, _ := of(ev.ID, again)
				next.delivered++
				continue
			}
			v[ev.Disposition]--
			if ev.Disposition != 0 && v[ev.Disposition] < 0 && lostAcks == 0 {
				s.fail("I34: %v of attempt %d of %q was told, and not seen", ev.Disposition, ev.Attempt, ev.ID)
			}
			if n.end > n.start {
				s.fail("I34: attempt %d of %q ended before it started", ev.Attempt, ev.ID)
			}
		case EventHealed:
			if errors.Is(ev.Reason, ErrStalled) {
				s.fail("the watchdog had to heal: %v", ev.Reason)
			}
		}
	}
	for k, n := range told {
		if n.start != n.end || n.start > n.delivered {
			s.fail("I34: attempt %d of %q: %d deliveries, %d starts, %d ends", k.attempt, k.id, n.delivered, n.start, n.end)
		}
	}
}
