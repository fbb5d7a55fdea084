package gentask

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gentask/gentask/internal/memo"
)

// Unknown is what becomes of a message that this node can't do, and another may: its kind is none
// of Mux's, its version none of Config.Versions, or the decoder's error wraps queue.ErrUnknown, as
// that of package codec does for a content type or a compression that it doesn't know. While a new
// release is rolled out, an old node meets what only new ones can do.
//
// Such a message is put off, which costs no attempt and no slot, so that another node gets it.
// Neither rules, middleware nor HandleResult are asked. When this node has met it for For it is
// dead-lettered with an *UnknownError. Health.PutOff counts; the first is logged, and then one a
// minute.
type Unknown struct {
	// For is how long a message is put off, from when this node met it first: how long it waited in
	// the queue before proves nothing, for it may have waited for the new nodes. It ought to be
	// longer than a rollout takes. Zero means 15 min, -1 not at all: it is dead-lettered at once.
	For time.Duration

	// Wait says for how long each time: between half of its d and d. Its zero fields mean 10 s and
	// 1 min, so that the first wait is 5 s at least.
	Wait Backoff
}

const (
	defaultUnknown     = 15 * time.Minute
	defaultUnknownWait = 10 * time.Second
	mostUnknownWait    = time.Minute

	// mostForeigners is how many messages are remembered that this node can't do. One that is
	// forgotten is met anew.
	mostForeigners = 1 << 16

	// foreignLogs is how often they are logged.
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

// foreigners is what a consumer knows of messages that it can't do. It outlives its ledgers.
type foreigners struct {
	met *memo.Memo[identity, meeting]

	mu     sync.Mutex
	putOff int
	last   error
	logged time.Time
	silent int // put off since it was logged
}

// meeting is what is known of one of them.
type meeting struct {
	first, last time.Time
	times       int
}

func newForeigners() *foreigners {
	return &foreigners{met: memo.New[identity, meeting](mostForeigners)}
}

// meet notes that the message is here once more. One that stayed away for longer than limit is met
// anew.
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

// count notes that one was put off, and reports whether that is to be logged, with how many weren't
// since the last time.
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

// tell fills in Health.
func (f *foreigners) tell(h *Health) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h.PutOff, h.Unknown = f.putOff, f.last
}

// UnknownError is the reason of a dead letter that this node has put off for as long as
// Config.Unknown.For, and no other has done meanwhile.
type UnknownError struct {
	// For is for how long this node has put it off, and Times how often.
	For   time.Duration
	Times int
	// Err is why it can't do it: a *KindError, a *VersionError, or what the decoder said.
	Err error
}

// Error tells for how long it was put off.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("gentask: put off %d times in %v, and no other node has done it: %v", e.Times, e.For.Round(time.Second), e.Err)
}

// Unwrap returns Err.
func (e *UnknownError) Unwrap() error { return e.Err }
