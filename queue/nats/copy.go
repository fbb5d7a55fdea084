package nats

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/gentask/gentask/queue"
)

// copies publishes what has to be published before its original may go, and waits for the confirms. It returns the claims that can be
// answered now, and names those without a confirm, which are held again. A repeated attempt at the same copy is stored once.
func (s *session) copies(ctx context.Context, claims []claim) ([]claim, []queue.SettleFailure) {
	p := publication{link: s.link}
	var copied []claim
	for _, c := range claims {
		if c.copying {
			p.add(s.copyOf(c), c.ID)
			copied = append(copied, c)
		}
	}
	if len(copied) == 0 {
		return claims, nil
	}
	p.confirm(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	var failures []queue.SettleFailure
	for i, c := range copied {
		if err := p.pending[i].err; err != nil {
			failures = append(failures, queue.SettleFailure{Tag: c.Tag, Err: err})
			continue
		}
		delete(s.held, c.Tag)
	}
	return s.giveBack(claims, failures), failures
}

// giveBack lets the failed deliveries be settled again, and returns the other claims. The session's mu is held.
func (s *session) giveBack(claims []claim, failures []queue.SettleFailure) []claim {
	for _, f := range failures {
		s.held[f.Tag].copying = false
	}
	kept := claims[:0]
	for _, c := range claims {
		if s.held[c.Tag] == nil {
			kept = append(kept, c)
		}
	}
	return kept
}

// copyOf is the message that takes the place of the original.
func (s *session) copyOf(c claim) *natsgo.Msg {
	m := c.Message
	m.Headers = make(map[string]string, len(c.Headers)+5)
	maps.Copy(m.Headers, c.Headers)
	if c.settlement.Verb == queue.Release {
		m.Headers[queue.HeaderAttempts] = strconv.Itoa(c.Attempt - 1)
		// The attempt is part of the name: a copy that came back and is released once more is another copy.
		return encode(s.queue, fmt.Sprintf("release:%s:%d", c.dedup, c.Attempt), m)
	}
	m.Headers[queue.HeaderAttempts] = strconv.Itoa(c.Attempt)
	m.Headers[queue.HeaderQueue] = s.queue
	m.Headers[queue.HeaderDeadAt] = time.Now().UTC().Format(time.RFC3339Nano)
	m.Headers[queue.HeaderReason] = cut(c.settlement.Reason, queue.MaxReason)
	if c.settlement.Stack != "" {
		m.Headers[queue.HeaderStack] = cut(c.settlement.Stack, queue.MaxStack)
	}
	return encode(s.queue+deadSuffix, "dead:"+c.dedup, m)
}

// cut keeps the first limit bytes, and no half a character.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}

// releaseAll gives everything held back, for Close. What can't be copied is given back at the cost of an attempt, which is better than to
// wait for its lease to end.
func (s *session) releaseAll(ctx context.Context) {
	s.mu.Lock()
	claims := make([]claim, 0, len(s.held))
	for _, h := range s.held {
		h.copying = true
		claims = append(claims, claim{holding: h, settlement: queue.Settlement{Verb: queue.Release}})
	}
	s.mu.Unlock()
	claims, _ = s.copies(ctx, claims)
	s.mu.Lock()
	for _, h := range s.held {
		claims = append(claims, claim{holding: h, settlement: queue.Settlement{Verb: queue.Requeue}})
	}
	s.mu.Unlock()
	_ = s.answer(ctx, claims) // fails only with the connection; then their leases end
}
