package gentask

import (
	"fmt"
	"net"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// reopen opens the next session, unless there is one, or the consumer drains.
func (l *ledger) reopen() {
	if l.link != nil || l.drain != nil || l.incarnation == nil {
		return
	}
	if hung := l.cfg.hooks.driving.Hung(); hung >= guard.MaxHung {
		l.putOff(fmt.Errorf("%w: %d sessions left behind; the next is opened when one of them has returned", ErrDriverStuck, hung))
		return
	}
	l.up, l.sessionClosed, l.dry, l.turning, l.asked = false, false, false, false, time.Now()
	l.link = openLink(l.source, l.incarnation, l.cfg, l.cfg.Prefetch+l.instance.limits.roomFor(len(l.instance.limits.returned.of)))
}

func (l *ledger) opened(msg *opened) {
	if l.stale(msg.link) {
		return
	}
	l.up, l.lastError, l.openedAt = true, nil, time.Now()
	l.lastProgress, l.quiet = l.openedAt, silence{since: l.openedAt}
	l.instance.opened.Store(true)
	l.emit(Event{Kind: EventSessionOpened})
	l.cfg.Logger.Info("gentask: session opened", "consumer", l.cfg.Name)
	l.reconcileIntake()
}

// reconcileIntake has the broker send, or not, as the consumer takes work or doesn't. It is called whenever one of the two has changed.
func (l *ledger) reconcileIntake() {
	l.publish()
	if l.link == nil || !l.up || l.turning {
		return // opened, dried and flowing come back here
	}
	switch {
	case l.intake() && l.dry:
		l.turning, l.asked = true, time.Now()
		l.link.resumeIntake()
	case !l.intake() && !l.dry:
		l.turning, l.asked = true, time.Now()
		l.link.cancelIntake()
	}
}

// dried hears that nothing comes any more. Only now are the unstarted given back: before, the broker would send them right here again.
func (l *ledger) dried(msg *dried) {
	if l.stale(msg.link) {
		return
	}
	l.turning, l.dry = false, true
	if !l.intake() {
		l.releaseWaiting()
	}
	l.cutShort()
	l.reconcileIntake()
}

// flowing hears that deliveries flow again. Before, a cancel might overtake the resume, and be undone by it.
func (l *ledger) flowing(msg *flowing) {
	if l.stale(msg.link) {
		return
	}
	l.turning, l.dry = false, false
	l.reconcileIntake()
}

// releaseWaiting gives back what has not been started.
func (l *ledger) releaseWaiting() {
	stays := l.staying()
	for _, e := range l.lineup.take() {
		if e == stays {
			l.lineup.push(e)
			continue
		}
		_ = e.settle(Release(), nil)
	}
}

// broken ends the session: what it held is lost, and the next one is opened after a while.
func (l *ledger) broken(ctx actor.Context, msg *broken) {
	if l.stale(msg.link) {
		return
	}
	kind := EventOpenFailed
	if l.up {
		kind = EventSessionLost
		if time.Since(l.openedAt) > l.cfg.Reconnect.Max {
			l.failures = 0 // it was good, though nothing came
		}
	}
	l.lastError = msg.err
	l.logBroken(kind, msg.err)
	l.emit(Event{Kind: kind, Reason: msg.err})
	l.closeSession()
	if l.instance.openedNever(msg.err) && (guard.Is(msg.err, queue.ErrConfig) || l.cfg.FailFast && saidNo(msg.err)) {
		l.giveUp(ctx, msg.err)
	}
}

// giveUp ends the consumer, because the broker refuses what was asked for and has never granted it: a mistake that waiting doesn't mend.
func (l *ledger) giveUp(ctx actor.Context, reason error) {
	l.instance.fail(reason)
	l.instance.gaveUp(reason)
	l.startDrain(ctx, 0)
}

// closeSession closes the link and loses what it held. The ledger goes on when the session is closed: shut.
func (l *ledger) closeSession() {
	l.up, l.sessionClosed = false, true
	l.link.shut()
	l.lineup.take()
	for _, e := range l.held.entries() {
		l.lose(e)
	}
	l.cutShort()
	l.publish()
}

// stale says that what a link has to say is of no interest any more: its session is closed for us, and what it held is lost.
func (l *ledger) stale(link *link) bool { return link != l.link || l.sessionClosed }

// shut hears that the session is closed and the link's goroutines are gone.
func (l *ledger) shut(ctx actor.Context, msg *shut) {
	if msg.link != l.link {
		return
	}
	l.link = nil
	l.lastProgress = time.Now()
	if l.drain == nil {
		l.failures++
		if unreachable(l.lastError) {
			l.failures = min(l.failures, maxUnreachableBackoff)
		}
		actor.SendAfter(ctx, l.cfg.Reconnect.delay(l.failures, l.cfg.random), &reopen{})
	}
	l.publish()
}

// maxUnreachableBackoff is the most failures that count while nobody answers at the broker's
// address, or for the queue. An attempt costs next to nothing then, and when the broker is back its
// consumers are, too: it is not asked less often, the longer it was away.
const maxUnreachableBackoff = 4

// unreachable says that nobody has refused anything: no connection was made, or the driver says that the queue can't be reached through it.
func unreachable(err error) bool {
	if guard.Is(err, queue.ErrUnavailable) {
		return true
	}
	op, ok := guard.As[*net.OpError](err)
	return ok && op != nil && op.Op == "dial"
}

// abandonedNow hears how many abandoned tasks still run. At the cap the consumer takes no work until one of them ends.
func (l *ledger) abandonedNow(n int) {
	if n > l.abandoned {
		l.emit(Event{Kind: EventAbandoned, Count: n})
		l.cfg.Logger.Warn("gentask: task abandoned: it did not return within its grace", "consumer", l.cfg.Name, "abandoned", n)
	}
	l.abandoned, l.late = n, int(l.incarnation.tasks.Stats().Late) //nolint:gosec // a count
	l.reconcileIntake()
}
