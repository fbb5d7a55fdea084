package nats

import (
	"context"
	"time"

	"github.com/gentask/gentask/queue"
)

// JetStream delivers a message as soon as a session requests one. A message with a NotBefore has it
// in a header. The session that gets it too early gives it back with the remaining delay, which the
// server keeps; it occupies no slot meanwhile.
//
// The server counts that delivery, so one is subtracted from its count. That is correct if exactly
// one delivery was too early. A second one is, if the server was restarted meanwhile, because it
// keeps the delay only in seconds: then a copy, which has no count yet, replaces the original. None
// is, if no session requested it before it was due. In that case a requeue is a copy, because the
// count would be one too low from then on. If the session is lost instead, it is too low.

// rounding is added to a delay, so that a message does not come slightly too early and go back once
// more.
const rounding = 2 * time.Millisecond

// putOffTimeout is the most time for a copy that no caller waits for. After it the original goes
// back.
const putOffTimeout = 10 * time.Second

// count sets the attempt of this delivery, the delivered-th at the server, and returns by how much
// it is too early.
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
	before, copied := queue.UsedUp(h.Headers)
	h.Attempt = before + delivered
	h.Redelivered = copied || delivered > 1
	return early
}

// bounce gives back a delivery that is too early. The session's mu must be held.
func (s *session) bounce(h *holding, early time.Duration) {
	if err := s.link.nc.Publish(h.reply, nakIn(min(early, longestDelay)+rounding)); err != nil {
		s.link.fail(err)
	}
}

// putOff replaces a message that was too early once more by a copy. The session's mu must be held,
// and the session must not be closing.
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
