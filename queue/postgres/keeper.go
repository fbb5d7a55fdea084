package postgres

import (
	"context"
	"errors"
	"time"
)

// keeper keeps the lease of a session, and takes over what dead sessions of its queue held.
type keeper struct {
	s     *session
	link  *link
	lease time.Duration
	until time.Time // the lease holds at least so long
}

const (
	// renewals is how often a lease is renewed within its length.
	renewals = 6

	// takeOverMost is the most jobs of one statement, so that the lease is renewed in between.
	takeOverMost = 5000

	// expireMost is the most unique keys, and jobs that are done, that are forgotten at a time.
	expireMost = 2000

	// expireEvery is the time between two looks at them, unless more are left.
	expireEvery = 15 * time.Second
)

func newKeeper(s *session, l *link) *keeper {
	return &keeper{s: s, link: l, lease: s.broker.config.Lease}
}

// start takes the lease, and listens.
func (k *keeper) start(ctx context.Context, name string) error {
	b := k.s.broker
	if err := b.fit(ctx, k.link.conn); err != nil {
		return err
	}
	begun := time.Now()
	open := step{b.sql.open, []any{k.s.queue, storableName(name), k.lease.Microseconds()}, scan(&k.s.id)}
	listen := step{sql: "LISTEN " + channelOf(b.config.Schema, k.s.queue)}
	if err := k.link.retried(ctx, true, open, listen); err != nil {
		return err
	}
	k.until = begun.Add(k.lease)
	lost := b.left()
	kill := step{sql: b.sql.kill, args: []any{lost}}
	orphans := step{sql: b.sql.orphans, args: []any{k.s.queue}}
	forget := step{sql: b.sql.forget, args: []any{k.s.queue}}
	if err := k.link.retried(ctx, true, kill, orphans, forget); err != nil {
		k.undo()
		return err
	}
	b.forget(lost)
	return nil
}

// undo ends a lease that was not used, as far as that is possible.
func (k *keeper) undo() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = k.link.transact(ctx, true, step{sql: k.s.broker.sql.close, args: []any{k.s.id}}) // else it ends by itself
	k.link.close()
}

var errLease = errors.New("the lease has ended, or was taken")

// run renews the lease until the session is over.
func (k *keeper) run(ctx context.Context) {
	defer k.link.close()
	expire := time.Now().Add(k.lease) // not with the first renewal, to which tests and users look
	for {
		left, err := k.renew(ctx)
		if err == nil && left {
			err = k.takeOver(ctx)
		}
		if err == nil && time.Now().After(expire) {
			expire, err = k.expire(ctx)
		}
		if err == nil {
			err = k.listen(ctx, time.Now().Add(k.lease/renewals))
		}
		if err != nil {
			k.s.lose(err) // nothing, if it is over
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// renew renews the lease, and reports whether a dead session has left something. It tries as long
// as the lease holds, and fails afterwards, also if the server does not answer.
func (k *keeper) renew(ctx context.Context) (left bool, err error) {
	ctx, cancel := context.WithDeadline(ctx, k.until)
	defer cancel()
	var mine bool
	args := []any{k.s.id, k.lease.Microseconds(), k.s.queue}
	begun := time.Now()
	err = k.link.retried(ctx, true, step{k.s.broker.sql.renew, args, scan(&mine, &left)})
	if err == nil && !mine {
		err = errLease
	}
	if answered(err) && ctx.Err() == nil { // a lock, or a statement_timeout: there is time for another try
		return false, nil
	}
	if err == nil {
		k.until = begun.Add(k.lease)
	}
	return left, err
}

// takeOver makes ready what dead sessions held, and notifies every session.
func (k *keeper) takeOver(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, k.until)
	defer cancel()
	b, taken := k.s.broker, 0
	// A lock on the table must not cost the lease.
	patience := step{sql: "SET LOCAL lock_timeout = '100ms'"}
	err := k.link.retried(ctx, true, patience,
		step{b.sql.takeOver, []any{k.s.queue, takeOverMost}, scan(&taken)})
	if err == nil && taken > 0 {
		k.s.hasten()
		wake := step{sql: b.sql.wake, args: []any{channelOf(b.config.Schema, k.s.queue), again}}
		err = k.link.retried(ctx, true, wake)
	}
	if answered(err) {
		return nil // the next renewal finds it still there
	}
	return err
}

// again is the payload of a notification of messages that are not behind all others.
const again = "again"

// expire forgets unique keys and jobs that are done, and returns when to do so again. Rights to do
// it may be missing.
func (k *keeper) expire(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithDeadline(ctx, k.until)
	defer cancel()
	next := time.Now().Add(expireEvery)
	for _, sql := range []string{k.s.broker.sql.expireKeys, k.s.broker.sql.expireDone} {
		tag, err := k.link.conn.Exec(ctx, sql, expireMost)
		switch {
		case err != nil && !answered(err):
			return next, err
		case err == nil && tag.RowsAffected() == expireMost:
			next = time.Now()
		}
	}
	return next, nil
}

// listen waits until then, and wakes the intake at each notification before.
func (k *keeper) listen(ctx context.Context, then time.Time) error {
	wait, cancel := context.WithDeadline(ctx, then)
	defer cancel()
	for {
		payload, came, err := k.link.hear(wait)
		if !came || err != nil {
			return err
		}
		k.s.hear(payload == again)
	}
}

// hear notes a notification, and wakes the intake. If fromStart, the messages may be anywhere.
func (s *session) hear(fromStart bool) {
	s.mu.Lock()
	s.heard, s.rung = true, true
	s.hurry = s.hurry || fromStart
	s.mu.Unlock()
	s.nudge()
}

// hasten makes the intake look at once, from the start.
func (s *session) hasten() {
	s.mu.Lock()
	s.hurry = true
	s.mu.Unlock()
	s.nudge()
}
