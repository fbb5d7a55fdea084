package nats

import (
	"context"
	"time"

	"github.com/gentask/gentask/queue"
)

// JetStream delivers a message as soon as somebody asks. One that must not be delivered before its time says so in a header, and the session
// that gets it too early gives it back with what is left of the delay, which the server keeps; it takes no slot meanwhile.
//
// The server counts that delivery, so one is taken off its count. That is right if exactly one came too early. A second one does when the
// server was restarted meanwhile, for it keeps the delay by the second: a copy, which nobody has counted yet, takes the place of the original.
// None does when nobody asked before it was due. Then a requeue is a copy, because the count would be one short from then on; and it
// is, if the session is lost instead.

// rounding is what is added to a delay, so that a message does not come a trifle too early and go back once more.
const rounding = 2 * time.Millisecond

// putOffTimeout bounds how long a copy may take that nobody waits for. After it the original goes back.
const putOffTimeout = 10 * time.Second

// count sets which attempt this delivery is, the delivered-th of the server's, and returns by how much it is too early.
func (h *holding) count(delivered int) (early time.Duration) {
	if due := h.NotBefore; !due.IsZero() {
		h.NotBefore = time.Time{}
		early = time.Until(due)
		h.miscounted = delivered == 1
		delivered = max(delivered-1, 1)
	}
	if early > 0 {
		delivered = 1 // which this one does not use up
	}
	before, copied := usedUp(h.Message)
	h.Attempt = before + delivered
	h.Redelivered = copied || delivered > 1
	return early
}

// bounce gives back what came too early. The session's mu is held.
func (s *session) bounce(h *holding, early time.Duration) {
	if err := s.link.nc.Publish(h.reply, nakIn(early+rounding)); err != nil {
		s.link.fail(err)
	}
}

// putOff puts a copy in the place of what came too early once more. The session's mu is held, and it is not closing.
func (s *session) putOff(h *holding, early time.Duration) {
	h.copying = true
	c := claim{holding: h, settlement: queue.Settlement{Disposition: queue.Release, After: early}}
	s.settles.Add(1)
	go func() {
		defer s.settles.Done()
		ctx, cancel := context.WithTimeout(context.Background(), putOffTimeout)
		defer cancel()
		claims, failures := s.copies(ctx, []claim{c})
		if len(failures) > 0 {
			c.settlement.Disposition = queue.Requeue
			claims = []claim{c}
			s.mu.Lock()
			delete(s.held, h.Tag)
			s.mu.Unlock()
		}
		_ = s.answer(ctx, claims) // fails only with the session
	}()
}
