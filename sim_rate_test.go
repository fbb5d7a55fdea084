package gentask

import "time"

// simRate is a part of a rate that others have, too. The part and its tokens come and go.
type simRate struct {
	conductor *conductor
	consumer  *Consumer
	part      bool // there is one, and it fills
	tokens    int
	due       time.Time // of the next token; zero if nobody has asked
	out       bool      // a token is taken, and neither used nor returned as far as is known
	wants     bool
	faults    []string
}

// Want implements RateQuota.
func (q *simRate) Want(more bool) { q.wants = more }

// Take implements RateQuota.
func (q *simRate) Take() (ok bool, at time.Time) {
	switch now := time.Now(); {
	case q.has(now):
		q.tokens, q.due, q.out = max(q.tokens-1, 0), time.Time{}, true
		return true, time.Time{}
	case !q.part:
		return false, time.Time{}
	case q.due.IsZero():
		q.due = now.Add(7 * time.Millisecond)
	}
	return false, q.due
}

// has reports whether there is a token.
func (q *simRate) has(now time.Time) bool {
	return q.tokens > 0 || q.part && !q.due.IsZero() && !now.Before(q.due)
}

// Return implements RateQuota.
func (q *simRate) Return() {
	if !q.out {
		q.faults = append(q.faults, "a token was returned that was not taken")
	}
	q.out = false
	q.tokens++
}

// used notes that the last token was used.
func (q *simRate) used() { q.out = false }

// play changes the part.
func (q *simRate) play() { q.set(q.conductor.chance(0.7), q.conductor.below(4)) }

func (q *simRate) set(part bool, tokens int) {
	q.part, q.tokens, q.due = part, tokens, time.Time{}
	q.consumer.QuotaChanged()
}
