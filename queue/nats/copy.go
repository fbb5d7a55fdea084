package nats

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/gentask/gentask/queue"
)

// copies publishes the copies that must be published before their originals are removed, and waits
// for the confirms. It returns the claims that can be answered now, and the failures of those
// without a confirm, which are held again. A repeated attempt at the same copy is stored once.
func (s *session) copies(ctx context.Context, claims []claim) ([]claim, []queue.SettleFailure) {
	p := publication{link: s.link}
	var copied []claim
	for i := range claims {
		c := &claims[i]
		if !c.copying {
			continue
		}
		msg, most := s.copyOf(*c), s.link.nc.MaxPayload()
		if c.settlement.Disposition == queue.Release && c.settlement.After <= 0 && !fits(msg, most) {
			s.giveBackWhole(c)
			continue
		}
		p.add(s.streamOf(*c), shed(msg, most), c.ID)
		c.copied = true
		copied = append(copied, *c)
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
			if c.settlement.Disposition == queue.Release && c.settlement.After <= 0 {
				s.giveBackUncopied(claims, c.Tag)
				continue
			}
			failures = append(failures, queue.SettleFailure{Tag: c.Tag, Err: err})
			continue
		}
		delete(s.held, c.Tag)
		s.repeats.settled(&c.origin, s.prefetch)
	}
	return s.giveBack(claims, failures), failures
}

// giveBackWhole changes a release into one that costs an attempt, because the message has the
// maximum size, and a copy would be incomplete.
func (s *session) giveBackWhole(c *claim) {
	c.settlement.Disposition = queue.Requeue
	c.settlement.After = 0
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, c.Tag)
}

// giveBackUncopied changes a release at once, whose copy was refused, into one that costs an
// attempt. The session's mu must be held.
func (s *session) giveBackUncopied(claims []claim, tag uint64) {
	for i := range claims {
		if claims[i].Tag == tag {
			claims[i].settlement.Disposition, claims[i].copied = queue.Requeue, false
		}
	}
	delete(s.held, tag)
}

// giveBack makes the failed deliveries settleable again, and returns the other claims. The
// session's mu must be held.
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

// copyOf returns the message that replaces the original.
func (s *session) copyOf(c claim) *natsgo.Msg {
	m := c.Message
	m.Headers = make(map[string]string, len(c.Headers)+5)
	maps.Copy(m.Headers, c.Headers)
	m.Headers[queue.HeaderAttempts] = strconv.Itoa(c.attempts())
	if c.suspect {
		return s.suspectOf(c, m)
	}
	if c.settlement.Disposition != queue.Release {
		delete(m.Headers, queue.HeaderSuspect)
	}
	if c.settlement.Disposition != queue.DeadLetter {
		return s.again(c, m)
	}
	m.Headers[queue.HeaderQueue] = s.queue
	m.Headers[queue.HeaderDeadAt] = time.Now().UTC().Format(time.RFC3339Nano)
	m.Headers[queue.HeaderReason] = cut(c.settlement.Reason, queue.MaxReason)
	c.settlement.Evidence.Headers(func(name, text string, most int) { m.Headers[name] = cut(text, most) })
	letter := encode(s.queue+deadSuffix, "dead:"+c.origin.dedup(), m)
	if c.subject != s.queue {
		letter.Header[headerSubject] = []string{c.subject}
	}
	return letter
}

// again returns the copy for the queue that the original came from. Its dedup name includes the
// attempt, because a copy that comes back, and is given back once more, is another copy.
func (s *session) again(c claim, m queue.Message) *natsgo.Msg {
	if c.settlement.Disposition == queue.Release {
		m.Headers[queue.HeaderAttempts] = strconv.Itoa(c.attempts() - 1)
		c.keepSuspicion(m)
	}
	if c.settlement.Reason != "" {
		m.Headers[queue.HeaderReason] = cut(c.settlement.Reason, queue.MaxReason)
	}
	if c.settlement.After > 0 {
		m.NotBefore = time.Now().Add(c.settlement.After)
	}
	return s.sameSubject(c, encode(c.subject,
		fmt.Sprintf("%v:%s:%d", c.settlement.Disposition, c.origin.dedup(), c.Attempt), m))
}

// keepSuspicion marks the copy of a message that was lost before, if no consumer has seen the
// delivery. The copy hides from the next one that the server has counted a loss, and how many.
func (c claim) keepSuspicion(m queue.Message) {
	before, _ := queue.UsedUp(c.Headers)
	if c.settlement.Delivery == nil && c.Attempt > before+1 && !c.marked() {
		m.Headers[queue.HeaderSuspect] = strconv.Itoa(before + 1)
	}
}

// attempts returns the number of attempts used up. Claims of Close have no Settlement.Delivery.
func (c claim) attempts() int { return max(c.Attempt-c.settlement.Uncounted, c.settlement.Attempt) }

// shed removes headers, the largest first, until the message fits a server whose max_payload is
// most. Another program may have filled a message to that limit, and a copy that can't be published
// would keep the delivery, and its slot, for ever.
func shed(msg *natsgo.Msg, most int64) *natsgo.Msg {
	takes := func(name string) int { return len(name) + len(msg.Header[name][0]) }
	for _, name := range slices.SortedFunc(maps.Keys(msg.Header),
		func(a, b string) int { return takes(b) - takes(a) }) {
		if fits(msg, most) {
			break
		}
		delete(msg.Header, name)
	}
	return msg
}

// maxHeaders is the most bytes of headers that JetStream stores with a message.
const maxHeaders = 1<<16 - 1

// fits reports whether a server with that max_payload stores the message.
func fits(msg *natsgo.Msg, most int64) bool {
	n := headerSize(msg)
	return n <= maxHeaders && int64(n+len(msg.Data)) <= most
}

// headerSize returns the size of the headers on the wire.
func headerSize(msg *natsgo.Msg) int {
	if len(msg.Header) == 0 {
		return 0
	}
	n := len("NATS/1.0\r\n\r\n")
	for name, values := range msg.Header {
		n += len(name) + len(": \r\n") + len(values[0])
	}
	return n
}

// cut returns the first limit bytes, without half a character at the end.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}

// releaseAll releases all deliveries that are held, for Close. A delivery that can't be copied is
// given back at the cost of an attempt, which is better than waiting until its lease ends.
func (s *session) releaseAll(ctx context.Context) {
	s.mu.Lock()
	claims := make([]claim, 0, len(s.held))
	for _, h := range s.held {
		h.copying = true
		claims = append(claims, claim{holding: h, settlement: queue.Settlement{Disposition: queue.Release}})
	}
	s.mu.Unlock()
	claims, _ = s.copies(ctx, claims)
	s.mu.Lock()
	for _, h := range s.held {
		claims = append(claims, claim{holding: h, settlement: queue.Settlement{Disposition: queue.Requeue}})
	}
	s.mu.Unlock()
	_ = s.answer(ctx, claims) // fails only with the connection; then their leases end
}
