package nats

import "slices"

// A server may deliver a message again to the session that holds it: when the lease ended because
// renewals came late, and before version 2.10.14 by mistake. Such a delivery must not be handed
// out, because the first one settles the message.

// repeats recognizes a message that the session holds, or has settled for good. It is guarded by
// the session's mu.
type repeats struct {
	newest uint64       // the highest sequence of a delivery: those above it were never delivered here
	done   []messageKey // a ring of the messages that were last settled for good, as long as the prefetch
	oldest int          // in done
}

// messageKey identifies a message within its stream. The sequence alone would not, because a stream
// that is made again starts at 1.
type messageKey struct {
	sequence uint64
	stored   int64
}

func (o *origin) key() messageKey { return messageKey{o.sequence, o.stored.UnixNano()} }

// settled records that the message of a delivery is settled for good. A server that has not read
// the settlement yet can send a repeated delivery only for an earlier request, and so no more than
// prefetch of them.
func (r *repeats) settled(o *origin, prefetch int) {
	if len(r.done) < prefetch {
		r.done = append(r.done, o.key())
		return
	}
	r.done[r.oldest] = o.key()
	r.oldest = (r.oldest + 1) % prefetch
}

// repeated reports whether the delivery is of a message that is held here, or was settled here for
// good. It answers the latter. Neither occupies a slot. The session's mu must be held.
func (s *session) repeated(reply string, from *origin) bool {
	if from.sequence > s.repeats.newest {
		s.repeats.newest = from.sequence
		return false
	}
	m := from.key()
	for _, h := range s.held {
		if h.origin.key() == m {
			h.miscounted = h.miscounted || from.delivered > h.origin.delivered
			return true // the server accepts the answer to either delivery
		}
	}
	if !slices.Contains(s.repeats.done, m) {
		return false
	}
	if err := s.link.nc.Publish(reply, answerAck); err != nil {
		s.link.fail(err)
	}
	return true
}
