package rabbitmq

import (
	"errors"
	"math/rand/v2"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/rabbitmq/internal/replica"
)

// read applies entries until the connection is over, or the stream was deleted.
func (l *storeLink) read(entries <-chan amqp.Delivery) {
	defer l.cut()
	n := 0
	for d := range entries {
		l.lately.Store(int64(time.Since(l.began)))
		if n++; n%ackEach == 0 {
			_ = d.Ack(true) // an error ends the connection
		}
		offset := offsetOf(&d)
		e, _ := replica.Decode(d.Body) // nil is an entry of another program
		if n > 1 || l.after == nil {
			l.store.take(offset, e, len(d.Body))
			continue
		}
		if !l.continues(offset, e) {
			return
		}
		close(l.first)
	}
}

// continues reports whether the first entry is the one that was read last.
func (l *storeLink) continues(offset int64, e *replica.Entry) bool {
	id := ""
	if e != nil {
		id = e.ID
	}
	if *l.after == (mark{offset, id}) {
		return true
	}
	l.store.restart(offset == l.after.offset)
	return false
}

// errNoSnapshot is the outcome of an entry of this program that was read before the state is known.
var errNoSnapshot = errors.New("the log has no whole snapshot: was its length limited by a policy?")

// take reads an entry; nil is one of another program, or of another version.
func (s *store) take(offset int64, e *replica.Entry, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e == nil {
		s.follower.Skip(offset, size)
		return
	}
	all := s.follower.Read(offset, e, size)
	known := s.follower.State()
	if known == nil {
		if w := s.waiting[e.ID]; w != nil {
			s.answer(e.ID, replica.Outcome{Err: errNoSnapshot})
			s.first, s.follower = true, replica.NewFollower()
			w.link.cut()
		}
		return
	}
	for _, a := range all {
		s.applied(known, a)
	}
	if s.state != known {
		s.adopt(known)
	}
}

// adopt makes a state that was read again the one of all readers. The mutex must be held.
func (s *store) adopt(known *replica.State) {
	s.state, s.ticked = known, time.Now()
	clear(s.ends)
	for w := range s.watches {
		w.restart()
	}
}

// applied handles the outcome of an entry. The mutex must be held.
func (s *store) applied(known *replica.State, a replica.Applied) {
	if a.Ticked {
		s.ticked = time.Now()
	}
	w := s.waiting[a.ID]
	if w != nil {
		if w.sent.After(s.proved) {
			s.proved = w.sent
		}
		if w.capture && a.Err == nil {
			w.parts = known.Parts(partSize)
		}
		s.answer(a.ID, a.Outcome)
	} else if a.Kind == replica.KindBegin {
		s.quiet = time.Now().Add(snapshotTime)
	}
	if known != s.state {
		return // adopt comes next
	}
	for _, key := range a.Changed {
		s.schedule(key, w != nil)
		for one := range s.watches {
			one.add(key)
		}
	}
	if a.Renewed {
		for one := range s.watches {
			one.restart()
		}
	}
}

// ending is when a record is to be removed, because its time is over.
type ending struct {
	revision queue.Revision
	at       time.Time
}

// spread is within how much time the programs try to remove a record: the one that wrote it does so
// at once, and most others find it gone.
const spread = 800 * time.Millisecond

// schedule notes when a record ends. The mutex must be held.
func (s *store) schedule(key string, own bool) {
	k, found := s.state.Get(key)
	if !found || k.Keep == 0 {
		delete(s.ends, key)
		return
	}
	late := time.Duration(0)
	if !own {
		late = rand.N(spread) //nolint:gosec // no secret
	}
	end := ending{k.Revision, time.Now().Add(s.state.Remaining(k) + late)}
	if known, found := s.ends[key]; !found || known.revision != end.revision || end.at.Before(known.at) {
		s.ends[key] = end
	}
}

// scheduleAll notes when records end, after all entries were read: the time of those that were read
// late has passed on meanwhile.
func (s *store) scheduleAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.state.All("") {
		s.schedule(k.Key, false)
	}
}
