package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// ear listens for the notifications of one channel, and calls wake for each. Where notifications
// don't arrive, as through PgBouncer in transaction mode, it looks for changes instead.
type ear struct {
	*calls
	channel string
	begin   func(ctx context.Context, l *link) error // is called when it listens; nil: nothing
	wake    func()
	changed func(ctx context.Context, l *link) (int64, error) // a number that grows with changes
	upkeep  func(ctx context.Context, listening bool)
	every   time.Duration // between two looks where notifications don't arrive
}

// Times of an ear.
const (
	lookSlow    = time.Second // between two looks where notifications arrive
	probeTime   = 500 * time.Millisecond
	reconnect   = 100 * time.Millisecond
	upkeepEvery = 10 * time.Second
)

// keep does the upkeep at intervals until the end.
func (e *ear) keep() {
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.life.Done():
			return
		case <-tick.C:
			ctx, done := e.bounded(e.life)
			e.upkeep(ctx, false)
			done()
		}
	}
}

// listen connects, and listens until the end. It connects again after a loss.
func (e *ear) listen() {
	for e.life.Err() == nil {
		ctx, done := e.bounded(e.life)
		l, err := e.broker.connect(ctx, "gentask "+e.channel)
		done()
		if err == nil {
			e.hear(l)
			l.close()
		}
		select {
		case <-time.After(reconnect):
		case <-e.life.Done():
		}
	}
}

// hear listens on one connection until that fails.
func (e *ear) hear(l *link) {
	ctx, done := e.bounded(e.life)
	_, err := l.conn.Exec(ctx, "LISTEN "+pgx.Identifier{e.channel}.Sanitize(), e.broker.mode)
	if err == nil && e.begin != nil {
		err = e.begin(ctx, l)
	}
	if err == nil {
		e.upkeep(ctx, true)
	}
	done()
	if err != nil {
		return
	}
	e.wake() // for what came meanwhile
	every := e.every
	if e.probe(l) {
		every = lookSlow
	}
	kept, last := time.Now(), int64(0)
	for e.life.Err() == nil {
		ctx, cancel := context.WithTimeout(e.life, every)
		_, came, err := l.hear(ctx)
		cancel()
		if err != nil {
			return
		}
		if came {
			e.wake()
			continue
		}
		if err := e.look(l, &last); err != nil {
			return
		}
		if time.Since(kept) > upkeepEvery {
			kept = time.Now()
			ctx, done := e.bounded(e.life)
			e.upkeep(ctx, true)
			done()
		}
	}
}

// look calls wake if something has changed.
func (e *ear) look(l *link, last *int64) error {
	ctx, done := e.bounded(e.life)
	defer done()
	newest, err := e.changed(ctx, l)
	if err == nil && newest != *last {
		*last = newest
		e.wake()
	}
	return err
}

// probe reports whether notifications arrive.
func (e *ear) probe(l *link) bool {
	ctx, cancel := context.WithTimeout(e.life, probeTime)
	defer cancel()
	if _, err := e.broker.pool.Exec(ctx, e.broker.sql.wake, e.broker.mode, e.channel, ""); err != nil {
		return false
	}
	_, came, err := l.hear(ctx)
	return came && err == nil
}
