package lease

import (
	"context"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
)

// Share is this program's part of a number of units, of which the programs of a fleet never have
// more than the total together. Its methods are safe for concurrent use.
//
// All parts are one record. A program takes what it can use while something is free. When others
// starve, it gives back what is above its fair share, as its units become unused. It gives back
// what it has not used for a second.
type Share struct {
	keeper  *Keeper
	key     string
	total   int
	limit   *Limit // that the units are parts of; nil if a unit is a permit
	keyed   *keyed // nil for a share with goroutines of its own
	changed func()
	kick    chan struct{} // capacity 1
	end     context.CancelFunc
	work    sync.WaitGroup

	mu    sync.Mutex
	want  int
	grant *grant // of the present term; nil if there is none
	view  view
	calm  time.Time // the time since which less is wanted than the program has; zero if it isn't
	err   error     // of a store that refuses

	observers observers
}

// view is what is known of the record.
type view struct {
	known  bool         // all that was there was seen
	record queue.Record // the last that was seen; zero if there is none
	parts  parts
	since  time.Time // of the record

	// sent is the last write whose outcome is not known. It is resolved when the record has another
	// revision than it refers to.
	sent *write
}

// grant is what this program has under one lease.
type grant struct {
	term  *Term
	noted int       // units that it has in the record
	has   int       // the same, without those that a pending write gives back
	goal  int       // units that it should have: what is above is given back when it is not in use
	used  int       // by permits
	since time.Time // of the last unit that was taken
	over  bool      // the share has dropped it: the last permit releases the term

	ignore  func() bool // ends the wait for the end of the term; of a share of a key
	bucket  *bucket     // of a limit
	spilled int64       // what did not fit into it, and is not in the record yet
}

// may returns how many units may be in use.
func (g *grant) may() int { return min(g.has, g.goal) }

// release releases the term when nothing uses it. The mutex of the share is held.
func (g *grant) release() {
	if g.over && g.used == 0 {
		g.term.Release()
	}
}

// Permit is one unit in use. It must be released.
type Permit struct {
	share *Share
	grant *grant
	once  sync.Once
}

// Context ends, with [ErrLost] or [ErrClosed] as its cause, before another program can have the
// unit.
func (p *Permit) Context() context.Context { return p.grant.term.ctx }

// Release returns the unit to the program's part. It is idempotent.
func (p *Permit) Release() {
	p.once.Do(func() {
		p.share.mu.Lock()
		p.grant.used--
		p.grant.release()
		p.share.mu.Unlock()
		p.share.stir()
	})
}

const (
	// quantum is how long a program keeps its units at least, though others starve: units change
	// hands a few times in a second at most.
	quantum = 250 * time.Millisecond

	// calms is how long a program keeps units that it does not use.
	calms = time.Second

	// insistsAfter is how long free units are left to those whose turn it is.
	insistsAfter = 100 * time.Millisecond
)

// Share returns this program's part of total units of that name, a part of a key. It is empty until
// [Share.Want] asks for more. Changed is called when a unit may have become free, on a goroutine of
// the share; it must not block.
func (k *Keeper) Share(name string, total int, changed func()) *Share {
	return k.open("share."+name, total, nil, changed)
}

// open returns the part of the units under a key; of a limit, if there is one.
func (k *Keeper) open(key string, total int, limit *Limit, changed func()) *Share {
	s := k.newShare(key, total, limit, changed)
	ctx, end := context.WithCancel(k.life)
	s.end = end
	s.work.Go(func() { s.watch(ctx) })
	s.work.Go(func() { s.run(ctx) })
	return s
}

// newShare returns one that nothing works on yet.
func (k *Keeper) newShare(key string, total int, limit *Limit, changed func()) *Share {
	s := &Share{keeper: k, key: key, total: total, limit: limit, changed: changed, kick: make(chan struct{}, 1)}
	s.observers = observers{keeper: k, stir: s.stir, all: map[string]context.CancelFunc{}, void: map[string]bool{}}
	return s
}

// Close gives the part back, and waits until all permits are released, or the lease has ended: see
// [Keeper.Close].
func (s *Share) Close() {
	s.end()
	s.work.Wait()
}

// Want sets how many units the program could use now.
func (s *Share) Want(n int) {
	s.mu.Lock()
	same := s.want == n
	s.want = n
	s.mu.Unlock()
	if !same {
		s.stir()
	}
}

// Resize sets how many units all programs have together. While programs differ in it, each of them
// takes nothing beyond its own total.
func (s *Share) Resize(total int) {
	s.mu.Lock()
	s.total = total
	s.mu.Unlock()
	s.stir()
}

// Acquire returns a unit if the program has one that is not used. It never waits.
func (s *Share) Acquire() (*Permit, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.grant
	if g == nil || g.used >= g.may() || !g.term.live() {
		return nil, false
	}
	g.used++
	return &Permit{share: s, grant: g}, true
}

// Err returns why the store refuses, and nil if it does not.
func (s *Share) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// stir makes the share find out what is to be done.
func (s *Share) stir() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
	if s.keyed != nil {
		s.keyed.keys.turns.add(s)
	}
}

// watch keeps the view up to date.
func (s *Share) watch(ctx context.Context) {
	for c, err := range s.keeper.store.Watch(ctx, s.key) {
		if err != nil {
			s.mu.Lock()
			s.err = err
			s.mu.Unlock()
			return
		}
		if c.Record.Key == "" || c.Record.Key == s.key {
			s.saw(c)
		}
	}
}

// saw notes a change of the record.
func (s *Share) saw(c queue.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch c.Kind {
	case queue.ChangeSet:
		s.note(c.Record)
	case queue.ChangeGone:
		s.note(queue.Record{})
	case queue.ChangeCurrent:
		s.view.known = true
	case queue.ChangeReset:
		s.note(queue.Record{})
		s.view.known = false
	case queue.ChangeAlive:
		return
	}
	s.stir()
}

// note makes a record the last that was seen, unless it is older. The mutex is held.
func (s *Share) note(r queue.Record) {
	v := &s.view
	if r.Revision != 0 && r.Revision <= v.record.Revision {
		return
	}
	before := v.parts
	v.record, v.parts, v.since = r, partsOf(r), time.Now()
	s.allow()
	if w := v.sent; w != nil && w.at != r.Revision {
		v.sent = nil // its condition can't be met any more
		s.carried(w, before)
	}
}

// allow sets how many units may be in use, after the record has changed. The mutex is held.
func (s *Share) allow() {
	g := s.grant
	if g == nil {
		return
	}
	has := s.view.parts[g.term.id].Has
	if has > g.noted {
		g.since = time.Now()
	}
	g.noted, g.has = has, has
	if g.bucket != nil {
		g.bucket.resize(g.may(), time.Now())
	}
}
