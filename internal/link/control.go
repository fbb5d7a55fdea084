package link

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// start runs f in a goroutine of the link, unless that is closed. There must be a session.
func (l *Link[E]) start(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.work(f)
	}
}

// CancelIntake asks the broker to send no more. [Drained] is sent when no delivery comes any more.
// It must not be called before [Opened], nor before the last cancel or resume was answered. An
// error breaks the session.
func (l *Link[E]) CancelIntake() {
	l.turn(func(ctx context.Context) error { return l.session.Cancel(ctx) })
}

// ResumeIntake undoes CancelIntake. It must not be called before [Drained]. [Flowing] is sent when
// deliveries flow again. An error breaks the session.
func (l *Link[E]) ResumeIntake() {
	l.turn(func(ctx context.Context) error {
		if err := l.session.Resume(ctx); err != nil {
			return err
		}
		l.owed.paid(turning)
		l.cfg.Send(&Flowing[E]{From: l}) // before the first delivery
		select {
		case l.resumed <- struct{}{}: // Buffered: the receiver may not have returned from sending Drained.
		case <-l.ctx.Done():
		}
		return nil
	})
}

func (l *Link[E]) turn(ask func(context.Context) error) {
	l.owed.add(turning, CloseTimeout)
	l.start(func() {
		ctx, cancel := context.WithTimeout(l.ctx, CloseTimeout)
		defer cancel()
		if err := ask(ctx); err != nil && l.ctx.Err() == nil {
			l.broken(err)
		}
	})
}

// Return asks the session to return deliveries: see [queue.Returner]. [Returned] has the answer.
// The link keeps both slices, which must be of the same length.
func (l *Link[E]) Return(entries []E, settlements []queue.Settlement) {
	owed := l.owed.addReturn()
	l.start(func() {
		m := &Returned[E]{From: l, Entries: entries, Settlements: settlements}
		if returner, can := l.session.(queue.Returner); can {
			ctx, cancel := context.WithTimeout(l.ctx, CloseTimeout)
			defer cancel()
			m.Answer = answerOf(returner.Return(ctx, settlements))
		} else {
			m.Unsupported = true
		}
		l.owed.paid(owed)
		if l.ctx.Err() == nil {
			l.cfg.Send(m)
		}
	})
}

// AskBacklog asks how many messages wait at the broker, and whether the session is on standby.
// [Backlog] has the answer. A panic or a Goexit breaks the session; another error does not.
func (l *Link[E]) AskBacklog(reporter queue.BacklogReporter) {
	l.start(func() {
		m := &Backlog[E]{From: l, Asked: time.Now()}
		var err error
		m.Waiting, err = guard.Call(l.ctx, l.cfg.Waiting, reporter.Backlog)
		if standby, can := l.opened().(queue.Standby); can && err == nil {
			m.Standby, err = guard.Call(l.ctx, l.cfg.Standing, standby.Standby)
			if err != nil && !crashed(err) {
				m.Standby, err = "", nil
			}
		}
		switch {
		case l.ctx.Err() != nil:
		case crashed(err):
			l.broken(fmt.Errorf("gentask: driver: %w", err))
		default:
			m.Err = guard.Seal(err)
			l.cfg.Send(m)
		}
	})
}
