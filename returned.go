package gentask

import (
	"crypto/sha256"
	"hash/maphash"
	"time"

	"github.com/gentask/gentask/queue"
)

// returnee is what the consumer remembers of a delivery that it has returned to the broker, or lost, because its settlement was not taken.
type returnee struct {
	wish    Decision  // what was decided
	reason  error     // of the decision
	refusal error     // why it was not taken the last time
	attempt int       // which attempt the next delivery is, by our own count
	seen    int       // Attempt of the delivery that was returned
	lost    bool      // with its session, the last time
	times   int       // how often it was returned
	turns   int       // how often besides, only to make room for others
	until   time.Time // not to be tried again before
	due     time.Time // when the wish wanted the next delivery; zero for at once
}

const (
	// mostReturned is how many returned messages a consumer remembers. One that is forgotten is run again.
	mostReturned = 5_000

	// returnedFor is how long one is remembered after it could be back.
	returnedFor = time.Hour

	// floorBase and floorMost bound how long a returned message waits here before it is tried again: doubled each time.
	floorBase = time.Second
	floorMost = 10 * time.Minute

	// crowdMost bounds it while such messages fill the prefetch.
	crowdMost = time.Minute
)

// floor returns how long to wait after the given return, from 1.
func floor(times int) time.Duration {
	if times == 0 {
		return 0
	}
	return min(floorBase<<min(times-1, 20), floorMost)
}

// publishing identifies a message by its publishing: an id may be shared by many, and so may a time that has only seconds, or none.
type publishing struct {
	id   string
	at   int64
	body uint64
}

// longestID is how many bytes of an id are kept as they are: a stranger may have chosen it.
const longestID = 64

func (r *returnees) publishingOf(m *queue.Message) publishing {
	p := publishing{id: m.ID, body: maphash.Bytes(r.seed, m.Body)}
	if len(p.id) > longestID {
		sum := sha256.Sum256([]byte(p.id))
		p.id = string(sum[:])
	}
	if !m.Time.IsZero() {
		p.at = m.Time.UnixNano()
	}
	return p
}

// returnees is a bounded memory of what was returned. It outlives a ledger that crashes, and belongs to the goroutine of the ledger.
type returnees struct {
	seed  maphash.Seed
	of    map[publishing]*returnee
	order []publishing // a ring, once it is full
	at    int          // where the next one goes
}

// get returns what is known of the message; nil as a rule, and then it costs nothing.
func (r *returnees) get(m *queue.Message) *returnee {
	if len(r.of) == 0 {
		return nil
	}
	return r.of[r.publishingOf(m)]
}

// put remembers one, and forgets the oldest if there are too many.
func (r *returnees) put(m *queue.Message, one *returnee) {
	if r.of == nil {
		r.of, r.seed = map[publishing]*returnee{}, maphash.MakeSeed()
	}
	p := r.publishingOf(m)
	_, known := r.of[p]
	r.of[p] = one
	switch {
	case known:
	case len(r.order) < mostReturned:
		r.order = append(r.order, p)
	default:
		delete(r.of, r.order[r.at])
		r.order[r.at] = p
		r.at = (r.at + 1) % mostReturned
	}
}

// drop forgets the message: it was settled after all.
func (r *returnees) drop(m *queue.Message) {
	if len(r.of) > 0 {
		delete(r.of, r.publishingOf(m))
	}
	if len(r.of) == 0 {
		r.order, r.at = nil, 0
	}
}

// restore takes back that the message was to be returned: known is what was remembered before, nil for nothing.
func (r *returnees) restore(m *queue.Message, known *returnee) {
	if known == nil {
		r.drop(m)
		return
	}
	r.put(m, known)
}

// recalled returns what is known of a delivery that has come back. A message that others have had meanwhile is none of those.
func (r *returnees) recalled(d *queue.Delivery, now time.Time) *returnee {
	one := r.get(&d.Message)
	if one == nil || d.Attempt > one.seen+1 || now.Sub(later(one.until, one.due)) > returnedFor {
		return nil
	}
	return one
}

// attemptOf returns which attempt a delivery is of which one is known. Unlike a return, the loss of a session costs one where the broker
// counts it.
func (one *returnee) attemptOf(d *queue.Delivery) int {
	if one.lost {
		return min(one.attempt, d.Attempt)
	}
	return one.attempt
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
