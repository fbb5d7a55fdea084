package rabbitmq

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/rabbitmq/internal/replica"
)

// Times and sizes of what a store does by itself.
const (
	upkeepEach   = 200 * time.Millisecond
	removeAgain  = 2 * time.Second // a record whose removal did not come
	clockEach    = time.Second     // a beat for the clock of the log, if no other advances it
	clockSpread  = time.Second     // so that one program does it, as a rule
	snapshotTime = 5 * time.Second // that a snapshot of another program may take
	turnSpread   = 3 * time.Second // within which the first program begins one

	partSize = 128 << 10
)

// sizes are how much log there is.
type sizes struct {
	// entries and bytes are what comes behind a snapshot until the next. A reader that begins reads
	// that much. With a large state the bytes are more.
	entries, bytes int

	// behind is where writes are refused, because the broker would soon drop the snapshot.
	behind int

	// log and segment are those of the stream, in bytes: the broker drops whole segments.
	log, segment int64
}

// usual are the sizes of a store. Behind the place where writes are refused there is room for
// several snapshots of the largest state.
var usual = sizes{entries: 20_000, bytes: 2 << 20, behind: 48 << 20, log: 128 << 20, segment: 8 << 20}

// errBehind is the reason why a write is refused.
var errBehind = errors.New("the log of the store waits for a snapshot")

// room returns an error if the log is too long since its newest snapshot.
func (s *store) room() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.follower.Behind().Bytes > s.sizes.behind {
		return errBehind
	}
	return nil
}

// upkeep removes records whose time is over, and writes snapshots.
func (s *store) upkeep() {
	tick := time.NewTicker(upkeepEach)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.keeper.life.Done():
			return
		}
		if l, ok := s.keeper.current(); ok {
			s.keepUp(l)
		}
	}
}

func (s *store) keepUp(l *storeLink) {
	call, done := s.keeper.call(context.Background())
	defer done()
	ctx, ended := l.while(call)
	defer ended()
	for key, revision := range s.due() {
		e := &replica.Entry{Kind: replica.KindDelete, Key: key, Condition: revision}
		if s.tell(ctx, l, e) != nil {
			return
		}
	}
	if s.wantsBeat() {
		s.ask()
	}
	if s.wantsSnapshot() {
		_ = s.snapshot(ctx, l) // it is tried again
	}
}

// due returns the records whose time is over, with their revisions. They are due again later, if
// they are not gone by then.
func (s *store) due() map[string]queue.Revision {
	s.mu.Lock()
	defer s.mu.Unlock()
	var over map[string]queue.Revision
	now := time.Now()
	for key, end := range s.ends {
		if now.Before(end.at) {
			continue
		}
		if over == nil {
			over = map[string]queue.Revision{}
		}
		over[key] = end.revision
		s.ends[key] = ending{end.revision, now.Add(removeAgain)}
	}
	return over
}

// wantsBeat reports whether the clock of the log is to be advanced.
func (s *store) wantsBeat() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	late := rand.N(clockSpread) //nolint:gosec // no secret
	return len(s.ends) > 0 && time.Since(s.ticked) > clockEach+late
}

// wantsSnapshot reports whether a snapshot is due, and no other program writes one.
func (s *store) wantsSnapshot() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	behind, now := s.follower.Behind(), time.Now()
	short := behind.Entries < s.sizes.entries && behind.Bytes < max(s.sizes.bytes, 2*s.state.Size())
	if short || s.state != s.follower.State() || now.Before(s.quiet) {
		s.turn = time.Time{}
		return false
	}
	if s.turn.IsZero() {
		s.turn = now.Add(rand.N(turnSpread)) //nolint:gosec // no secret
	}
	return now.After(s.turn)
}

// snapshot writes the state into the log.
func (s *store) snapshot(ctx context.Context, l *storeLink) error {
	begin := &replica.Entry{Kind: replica.KindBegin}
	w, err := s.do(ctx, l, begin, true)
	if err != nil {
		return err
	}
	if o := <-w.outcome; o.Err != nil {
		return o.Err
	}
	for _, p := range w.parts {
		if err := s.tell(ctx, l, &replica.Entry{Kind: replica.KindPart, Snapshot: begin.ID, Part: p}); err != nil {
			return err
		}
	}
	_, err = s.do(ctx, l, &replica.Entry{Kind: replica.KindEnd, Snapshot: begin.ID, Parts: len(w.parts)}, false)
	return err
}
