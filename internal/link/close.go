package link

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// Close ends the link. [Closed] is sent when the session is closed and the goroutines of the link
// are gone. Closing the session may take as long as within: [CloseTimeout], or less for a session
// whose network may be dead. Settlements that have no answer yet get none. A link that is closed or
// aborted already is left alone.
func (l *Link[E]) Close(within time.Duration) {
	if l.end(false) {
		go l.finishAndSend(within)
	}
}

// CloseUnopened is Close for a link that has no session yet. A link that has one, even if Opened is
// still on its way, is left alone: its deliveries must be released before it is closed.
func (l *Link[E]) CloseUnopened() {
	if l.end(true) {
		go l.finishAndSend(CloseTimeout)
	}
}

// Abort is Close, but it sends no Closed: it returns when the session is closed, for a caller that
// is about to end. If the link is closed already, or being closed, Abort returns at once.
func (l *Link[E]) Abort() {
	if l.end(false) {
		l.finish(CloseTimeout)
	}
}

// end marks the link as closed, and reports whether it was open. With unopened, a link that has a
// session stays open.
func (l *Link[E]) end(unopened bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || unopened && l.session != nil {
		return false
	}
	l.closed = true
	l.cancel()
	return true
}

func (l *Link[E]) finishAndSend(within time.Duration) {
	l.finish(within)
	l.cfg.Send(&Closed[E]{From: l})
}

// finish closes the session, and returns when the goroutines of the link are gone, or when the
// driver has kept one for too long.
func (l *Link[E]) finish(within time.Duration) {
	gone, over := make(chan struct{}), atomic.Bool{}
	go func() {
		defer close(gone)
		if session := l.opened(); session != nil {
			l.closeSession(session, within)
		}
		l.wg.Wait()
		if over.Swap(true) {
			l.cfg.Driving.CountReturned()
		}
	}()
	limit := time.NewTimer(within + DriverGrace)
	defer limit.Stop()
	select {
	case <-gone:
	case <-limit.C:
		l.cfg.Driving.CountHung()
		if over.Swap(true) {
			l.cfg.Driving.CountReturned() // at the last moment
			return
		}
		l.cfg.LeftBehind()
	}
}

func (l *Link[E]) opened() queue.Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.session
}

// closeSession returns when the broker has let go, or when the time is over. The driver has cut the
// connection then, and nothing depends on its error.
func (l *Link[E]) closeSession(s queue.Session, within time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	_, _ = guard.Call(context.Background(), l.cfg.Closing, func(context.Context) (struct{}, error) {
		return struct{}{}, s.Close(ctx)
	})
}
