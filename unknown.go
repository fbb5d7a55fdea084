package gentask

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gentask/gentask/internal/memo"
	"github.com/gentask/gentask/queue"
)

// Unknown configures the handling of messages that this node can't do, and another node may. These
// are:
//
//   - messages whose kind is none of [Mux]
//   - messages whose version is none of [Config.Versions]
//   - messages for which the decoder's error wraps [queue.ErrUnknown]; package codec returns such an
//     error for an unknown content type or compression
//
// While a new release is rolled out, an old node receives messages that only new nodes can do.
//
// Such a message is put off, which costs no attempt and no slot, so that another node gets it.
// Rules, middleware and HandleResult are not called for it. After For it is dead-lettered, with a
// reason that wraps [queue.ErrUnknown] and names the known kinds or versions. [Health.PutOff]
// counts these messages. The first is logged, and then one a minute.
type Unknown struct {
	// For is how long a message is put off, since this node met it first. Its time in the queue
	// before does not count, because it may have waited for the new nodes. For should be longer
	// than a rollout takes. Zero means 15 min. -1 dead-letters such messages at once.
	For time.Duration

	// Wait is how long a message is put off each time: between half of its d and d. Zero fields
	// mean 10 s and 1 min, so that the first wait is at least 5 s.
	Wait Backoff
}

const (
	defaultUnknown     = 15 * time.Minute
	defaultUnknownWait = 10 * time.Second
	mostUnknownWait    = time.Minute

	// mostForeigners is how many messages are remembered that this node can't do. A forgotten
	// message counts as a new one.
	mostForeigners = 1 << 16

	// foreignLogs is the interval at which they are logged.
	foreignLogs = time.Minute
)

func (u Unknown) check() error {
	return errors.Join(
		unfitIf(u.For < never, "For", u.For, "0 for 15m, -1 for a dead letter at once, or more"),
		unfitIf(u.Wait.Base < 0, "Wait.Base", u.Wait.Base, "0 for 10s, or more"),
		unfitIf(u.Wait.Max < 0, "Wait.Max", u.Wait.Max, "0 for 1m, or more"),
		inField("Wait.", u.Wait.check(mostUnknownWait)))
}

func (u Unknown) orDefaults() Unknown {
	return Unknown{For: or(u.For, defaultUnknown), Wait: u.Wait.or(defaultUnknownWait, mostUnknownWait)}
}

// foreigners is the consumer's memory of messages that it can't do. It outlives its ledgers.
type foreigners struct {
	met *memo.Memo[identity, meeting]

	mu     sync.Mutex
	putOff int
	last   error
	logged time.Time
	silent int // put off since the last log
}

// meeting records when and how often one of them came.
type meeting struct {
	first, last time.Time
	times       int
}

func newForeigners() *foreigners {
	return &foreigners{met: memo.New[identity, meeting](mostForeigners)}
}

// meet records that the message has come once more. A message that stayed away for longer than
// limit counts as a new one.
func (f *foreigners) meet(m identity, now time.Time, limit time.Duration) meeting {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, ok := f.met.Get(m)
	if !ok || known.times == 0 || now.Sub(known.last) > limit {
		known = meeting{first: now}
	}
	known.last = now
	known.times++
	f.met.Put(m, known)
	return known
}

// forget makes the next meeting the first: the message has been given up, and may be given back by
// hand.
func (f *foreigners) forget(m identity) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.met.Put(m, meeting{})
}

// count counts a message that was put off, and reports whether that must be logged. others is the
// number of messages that were not logged since the last time.
func (f *foreigners) count(reason error, now time.Time) (others int, logs bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.putOff++
	f.last = reason
	if !f.logged.IsZero() && now.Sub(f.logged) < foreignLogs {
		f.silent++
		return 0, false
	}
	others, f.silent, f.logged = f.silent, 0, now
	return others, true
}

// tell fills in the fields of h.
func (f *foreigners) tell(h *Health) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h.PutOff, h.Unknown = f.putOff, f.last
}

// foreignError is why this node can't do a message: its header names a kind or a version that is
// not known here.
type foreignError struct {
	what         string // "kind" or "version"
	header, name string
	known        []string
}

// Error returns the name and the known ones.
func (e *foreignError) Error() string {
	return fmt.Sprintf("gentask: %s %q in header %q is unknown; known are %s",
		e.what, e.name, e.header, strings.Join(e.known, ", "))
}

// Unwrap returns [queue.ErrUnknown].
func (*foreignError) Unwrap() error { return queue.ErrUnknown }

// givenUp returns the reason of a dead letter that this node has put off without another node doing
// it. reason is why this node can't do it.
func givenUp(times int, after time.Duration, reason error) error {
	return fmt.Errorf("gentask: put off %d times in %v, and no other node has done it: %w",
		times, after.Round(time.Second), reason)
}
