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

	// drowsy is how long nothing must come until the session asks for notifications: two small
	// transactions. Below 50 messages a second, each of them finds the session asleep.
	drowsy = 20 * time.Millisecond

	// sleepPause is the time between two claims of a session that is notified.
	sleepPause = 500 * time.Millisecond

	// minSweep is the least time between two sweeps, and sweepShare the multiple of the time that
	// the last one took.
	minSweep   = 250 * time.Millisecond
	sweepShare = 10

	// lag is how far a claim of an empty queue goes back, for transactions that take a moment.
	lag = 50 * time.Millisecond

	// gatherLimit is the longest wait of a settlement for others.
	gatherLimit = time.Millisecond

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
		in.gather(ctx)
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

// gather waits a moment for more settlements, if there are few for what the session holds: each
// transaction waits for the disk once.
func (in *intake) gather(ctx context.Context) {
	if !in.s.hasFew() {
		return
	}
	timer := time.NewTimer(gatherLimit)
	defer timer.Stop()
	for in.s.hasFew() {
		select {
		case <-in.s.kick:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// hasFew reports whether settlements wait, and fewer than a quarter of what is held.
func (s *session) hasFew() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.pending {
		n += len(r.ops)
	}
	return n > 0 && 4*n < len(s.held) && !s.closing
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
	if hopeless(err) || now.Sub(in.failing) > failLimit {
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
