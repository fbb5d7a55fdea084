package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/gentask/gentask/queue"
)

// intake claims and settles for a session, one transaction after the other: first what is to be
// settled, then a claim for the slots that are free. Its fields belong to its goroutine.
type intake struct {
	s       *session
	link    *link
	channel string

	marks   [queue.MaxPriority + 1]mark // where the last claim of each priority ended
	short   bool                        // the last claim found less than it asked for
	swept   time.Time                   // the start of the last sweep
	between time.Duration               // from one sweep to the next

	asleep  bool          // publishers were told to notify
	pause   time.Duration // until the next claim
	next    time.Time     // the time of the next claim
	found   time.Time     // the time of the last claim that found something
	failing time.Time     // the time since which claims fail; zero if they don't
	settled int           // since the last vacuum
}

// mark is the place of a message in its priority.
type mark struct {
	notBefore time.Time
	id        int64
}

func (m mark) compare(other mark) int {
	return cmp.Or(m.notBefore.Compare(other.notBefore), cmp.Compare(m.id, other.id))
}

// Times of the intake.
const (
	// minPause and maxPause bound the time between two claims that find nothing.
	minPause = 2 * time.Millisecond
	maxPause = 100 * time.Millisecond

	// drowsy is how long nothing must come until the session asks for notifications.
	drowsy = 100 * time.Millisecond

	// sleepPause is the time between two claims of a session that is notified.
	sleepPause = 500 * time.Millisecond

	// minSweep is the least time between two sweeps, and sweepShare the multiple of the time that
	// the last one took.
	minSweep   = 250 * time.Millisecond
	sweepShare = 10

	// lag is how far a claim of an empty queue goes back, for transactions that take a moment.
	lag = 50 * time.Millisecond

	// turnLimit bounds one transaction. The server, or a lock, may hold it up.
	turnLimit = 30 * time.Second

	// failLimit is how long claims may fail until the session ends, with their error.
	failLimit = 10 * time.Second

	// failPause is the time between two claims that fail.
	failPause = 100 * time.Millisecond
)

func newIntake(s *session, l *link) *intake {
	return &intake{s: s, link: l, channel: channelOf(s.broker.config.Schema, s.queue), found: time.Now()}
}

// run works until the session is over. When it is closed, run gives back what is held.
func (in *intake) run(ctx context.Context) {
	defer in.s.failPending()
	defer in.link.close()
	// A notification to itself proves that they arrive: not so through PgBouncer.
	wake := step{sql: in.s.broker.sql.wake, args: []any{in.channel, ""}}
	if err := in.link.retried(ctx, true, wake); err != nil {
		in.s.lose(err)
		return
	}
	for ctx.Err() == nil {
		requests, want, done := in.s.work(time.Now().After(in.next))
		switch {
		case done:
			in.giveBackAll(ctx)
			return
		case len(requests) == 0 && want == 0:
			in.wait(ctx)
		default:
			in.turn(ctx, requests, want)
		}
	}
}

// work returns the settlements to apply, and how many messages to claim. Done means that the
// session is closed, and all settlements are applied.
func (s *session) work(due bool) (requests []*request, want int, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests, s.pending = s.pending, nil
	freed := 0
	for _, r := range requests {
		r.underway = true
		freed += len(r.ops)
	}
	if s.closing {
		return requests, 0, len(requests) == 0
	}
	if due || s.rung || s.hurry || freed > 0 {
		want = s.prefetch - len(s.held) + freed
	}
	if s.cancelled {
		want = 0
	}
	s.claiming = want > 0
	return requests, want, false
}

// wait waits for something to do, or for the time of the next claim.
func (in *intake) wait(ctx context.Context) {
	var then <-chan time.Time
	if in.s.hasRoom() {
		timer := time.NewTimer(time.Until(in.next))
		defer timer.Stop()
		then = timer.C
	}
	select {
	case <-in.s.kick:
	case <-then:
	case <-ctx.Done():
	}
}

// hasRoom reports whether the session may claim.
func (s *session) hasRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.cancelled && len(s.held) < s.prefetch
}

// turn settles and claims in one transaction. If the server refuses something, the settlements are
// repeated one kind at a time, so that one that can't be applied does not hold up the others.
func (in *intake) turn(ctx context.Context, requests []*request, want int) {
	ctx, cancel := context.WithTimeout(ctx, turnLimit)
	defer cancel()
	var c *claimed
	var steps []step
	set := in.settlement(requests)
	steps = append(steps, set.steps()...)
	if want > 0 {
		c = in.newClaim(want)
	}
	if c != nil && !in.s.inOrder {
		steps = append(steps, c.step)
	}
	var err error
	if len(steps) > 0 {
		err = in.link.retried(ctx, len(requests) == 0, steps...)
	}
	if answered(err) && len(requests) > 0 {
		err = in.oneByOne(ctx, set)
		c = nil
	}
	if err != nil && !answered(err) {
		in.s.lose(explain(err))
		return
	}
	if err := in.confirm(ctx, set); err != nil {
		in.s.lose(explain(err))
		return
	}
	if c != nil && in.s.inOrder {
		if err = in.claimInOrder(ctx, c); err != nil && !answered(err) {
			in.s.lose(explain(err))
			return
		}
	}
	in.arrived(ctx, c, err)
}

// hurried reports whether the next claim must be a sweep, and notes that it is made.
func (s *session) hurried() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	hurry := s.hurry
	s.hurry, s.rung = false, false
	return hurry
}

// arrived hands out what a claim has found, or notes that it failed with err.
func (in *intake) arrived(ctx context.Context, c *claimed, err error) {
	if c == nil || err != nil {
		in.failed(err)
		in.s.deliver(nil)
		return
	}
	in.failing = time.Time{}
	in.advance(c)
	in.s.deliver(c.rows)
	in.rest(ctx, c)
}

// failed puts the next claim off, and ends the session if claims fail for too long.
func (in *intake) failed(err error) {
	if err == nil {
		return // there was no claim
	}
	now := time.Now()
	in.next = now.Add(failPause)
	if in.failing.IsZero() {
		in.failing = now
	}
	if now.Sub(in.failing) > failLimit {
		in.s.lose(explain(err))
	}
}

// advance sorts the rows into the order of delivery, and moves the marks behind them. A claim that
// is full has not seen what is behind its last row, also if that is before the old mark.
func (in *intake) advance(c *claimed) {
	order := make([]int, len(c.rows))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(c.rows[b].Priority, c.rows[a].Priority), c.marks[a].compare(c.marks[b]))
	})
	sorted := make([]*holding, len(order))
	for i, at := range order {
		sorted[i] = c.rows[at]
		m := &in.marks[c.rows[at].Priority]
		if c.marks[at].compare(*m) > 0 || i == c.want-1 {
			*m = c.marks[at]
		}
	}
	c.rows = sorted
	in.short = len(sorted) < c.want
	if c.sweep {
		in.swept = c.begun
		in.between = max(minSweep, sweepShare*time.Since(c.begun))
	}
}

// rest sets the time of the next claim. A session that finds nothing for a while goes to sleep, if
// notifications reach it.
func (in *intake) rest(ctx context.Context, c *claimed) {
	now := time.Now()
	switch {
	case !in.short: // there may be more, for the next free slot
		in.pause, in.found = 0, now
	case len(c.rows) > 0:
		in.pause, in.found = minPause, now
	default:
		in.pause = min(max(minPause, in.pause*3/2), maxPause)
	}
	heard := in.s.isHeard()
	switch {
	case in.asleep && len(c.rows) > 0:
		in.sleep(ctx, false)
	case !in.asleep && heard && now.Sub(in.found) > drowsy:
		in.sleep(ctx, true)
		in.pause = 0 // what came before anybody could know that it sleeps
	case in.asleep:
		in.pause = in.untilDue(ctx)
	}
	in.next = time.Now().Add(in.pause)
}

// isHeard reports whether notifications arrive.
func (s *session) isHeard() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard
}

// sleep notes whether publishers must notify.
func (in *intake) sleep(ctx context.Context, on bool) {
	err := in.link.retried(ctx, true, step{sql: in.s.broker.sql.sleep, args: []any{in.s.id, on}})
	if err == nil {
		in.asleep = on
	} else if !answered(err) {
		in.s.lose(explain(err))
	}
}

// untilDue returns how long a session that is asleep may wait: until the next delayed message is
// due, and no longer than sleepPause.
func (in *intake) untilDue(ctx context.Context) time.Duration {
	due := int64(-1)
	err := in.link.retried(ctx, true, step{in.s.broker.sql.due, []any{in.s.queue}, scan(&due)})
	if err != nil && !answered(err) {
		in.s.lose(explain(err))
	}
	if err != nil || due < 0 || due > sleepPause.Microseconds() {
		return sleepPause
	}
	return time.Duration(due)*time.Microsecond + time.Millisecond
}

// deliver hands out what was claimed.
func (s *session) deliver(rows []*holding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claiming = false
	for _, h := range rows {
		s.lastTag++
		h.Tag = s.lastTag
		s.held[h.Tag] = h
	}
	s.ready = append(s.ready, rows...)
	s.change()
}

// giveBackAll gives back what is held, and ends the lease. It is called when the session is closed.
func (in *intake) giveBackAll(ctx context.Context) {
	received := []int64{}
	in.s.mu.Lock()
	for _, h := range in.s.held {
		if h.received {
			received = append(received, h.id)
		}
	}
	in.s.mu.Unlock()
	b := in.s.broker
	err := in.link.retried(ctx, false,
		step{sql: b.sql.giveBackAll, args: []any{in.s.id, received}},
		step{sql: b.sql.close, args: []any{in.s.id}},
		step{sql: b.sql.wake, args: []any{in.channel, again}})
	if err != nil {
		in.s.lose(explain(err)) // the jobs come back when the lease ends
		return
	}
	in.s.finish(errClosed)
}
