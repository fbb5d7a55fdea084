package postgres

import (
	"context"
	"time"
)

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
