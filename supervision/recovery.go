package supervision

import (
	"fmt"
	"sync"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/process"
)

// recovery is the time between the end of one child, or of a group, and its restart. It is over
// when the back-off is, and when every BeforeRestart has resumed.
type recovery struct {
	culprit *child   // the child that failed
	members []*child // will be started, in this order; those that left it have another rare.recovery
	reason  error
	waits   int
	timer   *time.Timer // the back-off's, until it is over
	turn    bool        // a retry without back-off waits for its turn among the messages
}

type (
	// recovered reports that the back-off is over, or that it is the turn of a retry.
	recovered struct{ recovery *recovery }
	// resumed reports the decision of a BeforeRestart.
	resumed struct {
		recovery *recovery
		c        *child
		restart  bool
	}
)

// begin makes members wait for their restart. Without a reason to wait, they are started at once. A
// retry is never started at once. It waits behind the messages in the mailbox, so that a start that
// fails again and again can't keep the supervisor from them.
func (b *base) begin(culprit *child, members []*child, reason error, retry bool) {
	// 1: until all BeforeRestarts have been called
	r := &recovery{culprit: culprit, members: members, reason: reason, waits: 1}
	for _, c := range members {
		b.set(c, Restarting)
		c.more().recovery = r
	}
	delay := b.delay(culprit)
	switch {
	case delay > 0:
		r.waits++
		r.timer = process.SendAfter(b.ctx, delay, &recovered{recovery: r})
	case retry:
		r.waits++
		r.turn = true
		actor.Send(b.ctx.ActorSystem(), b.ctx.Self(), &recovered{recovery: r})
	}
	for _, c := range members {
		b.publish(Event{
			Kind: ChildRestarting, ID: c.spec.ID, Reason: reason, Restarts: c.restarts, Delay: delay,
		})
		if c.spec.BeforeRestart != nil {
			r.waits++
			b.hold(r, c)
		}
	}
	b.waited(r)
}

func (b *base) delay(c *child) time.Duration {
	if b.backoff.Base == 0 {
		return 0
	}
	more := c.more()
	if !more.since.IsZero() && time.Since(more.since) > b.backoff.Max {
		more.failures = 0
	}
	more.failures++
	return b.backoff.delay(more.failures)
}

func (b *base) hold(r *recovery, c *child) {
	c.rare.gated = true
	sys, self := b.ctx.ActorSystem(), b.ctx.Self()
	var once sync.Once
	resume := func(restart bool) {
		once.Do(func() { actor.Send(sys, self, &resumed{recovery: r, c: c, restart: restart}) })
	}
	before, reason := c.spec.BeforeRestart, r.reason
	b.beside(func() { before(reason, resume) }, func() { resume(false) })
}

func (b *base) delayOver(r *recovery) {
	if r.timer != nil || r.turn {
		r.timer, r.turn = nil, false
		b.waited(r)
	}
}

func (b *base) resume(m *resumed) {
	c := m.c
	if c.rare.recovery != m.recovery {
		return // it was terminated meanwhile, or belongs to another restart now
	}
	c.rare.gated = false
	if !m.restart {
		b.withdraw(c)
		reason := refusal(m.recovery.reason)
		b.tell(ChildGivenUp, c, nil, reason)
		b.owner.refused(c, reason)
	}
	b.waited(m.recovery)
}

func refusal(reason error) error {
	if reason == nil {
		return ErrRefused
	}
	return fmt.Errorf("%w: %w", ErrRefused, reason)
}

func (b *base) waited(r *recovery) {
	if r.waits--; r.waits == 0 {
		b.owner.recovered(r)
	}
}

// remaining returns the children that still wait, and ends the waiting.
func (r *recovery) remaining() []*child {
	var left []*child
	for _, c := range r.members {
		if c.rare.recovery == r {
			c.rare.recovery = nil
			left = append(left, c)
		}
	}
	return left
}

// withdraw takes one child out of its recovery, and leaves it at rest. The others no longer wait
// for its back-off or its BeforeRestart.
func (b *base) withdraw(c *child) {
	left := b.leave(c)
	b.set(c, Idle)
	for _, r := range left {
		b.waited(r)
	}
}

// leave takes one child out of its recovery, if it is in one, because it rests or joins another.
// The caller must call waited for the recovery that it returns, as soon as others may be started.
func (b *base) leave(c *child) []*recovery {
	if c.rare == nil || c.rare.recovery == nil {
		return nil
	}
	r := c.rare.recovery
	c.rare.recovery = nil
	r.waits++ // so that the last wait is not over in between
	if c.rare.gated {
		c.rare.gated = false
		r.waits--
	}
	if c == r.culprit && (r.timer != nil || r.turn) {
		r.stopTimer()
		r.turn = false
		r.waits--
	}
	return []*recovery{r}
}

func (r *recovery) stopTimer() {
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
}
