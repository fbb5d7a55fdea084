package lease

import (
	"context"
	"maps"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// run changes the record whenever something has changed, until ctx ends. Then it gives back what
// the program has.
func (s *Share) run(ctx context.Context) {
	defer s.observers.end()
	told := 0
	for ctx.Err() == nil {
		look := s.step(ctx)
		told = s.tell(told)
		s.wait(ctx, look)
	}
	s.Want(0)
	s.leave()
}

// tell calls the function that was given to the share, if more units may be used than before.
func (s *Share) tell(before int) (may int) {
	s.mu.Lock()
	if s.grant != nil {
		may = s.grant.may()
	}
	s.mu.Unlock()
	if may > before && s.changed != nil {
		s.changed()
	}
	return may
}

// leave gives back what the program has, until that is done or the lease is over.
func (s *Share) leave() {
	s.mu.Lock()
	g := s.grant
	s.calm = time.Time{}.Add(1) // for long
	s.mu.Unlock()
	if g == nil {
		return
	}
	for g.term.ctx.Err() == nil && s.has(g) {
		s.wait(g.term.ctx, s.step(g.term.ctx))
	}
	s.drop(g)
}

// has reports whether the record has a part for the grant, as far as is known.
func (s *Share) has(g *grant) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, found := s.view.parts[g.term.id]
	return found || s.view.sent != nil
}

// wait waits for a change, or for d; zero is only for a change.
func (s *Share) wait(ctx context.Context, d time.Duration) {
	var timer <-chan time.Time
	if d > 0 {
		timer = time.After(d)
	}
	g := s.present()
	var lost <-chan struct{}
	if g != nil {
		lost = g.term.ctx.Done()
	}
	select {
	case <-s.kick:
	case <-timer:
	case <-lost:
		s.drop(g)
	case <-ctx.Done():
	}
}

func (s *Share) present() *grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grant
}

// drop forgets a grant whose lease is lost, or has nothing.
func (s *Share) drop(g *grant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.grant == g {
		s.grant = nil
		g.over = true
		if g.ignore != nil {
			g.ignore()
		}
		g.release()
	}
}

// step makes at most one change to the record. It returns when to look again, and zero if only a
// change is a reason to.
func (s *Share) step(ctx context.Context) time.Duration {
	if s.keyed != nil {
		s.dropLost()
		if s.load(ctx) != nil {
			return again
		}
	}
	if s.take(ctx) != nil {
		return again
	}
	write, look := s.plan()
	if write == nil {
		return look
	}
	err := s.put(ctx, write)
	if err == nil || guard.Is(err, queue.ErrConflict) {
		return time.Nanosecond // there may be more to do
	}
	return again
}

// take takes a lease if one is needed, and releases one that is not, or is lost.
func (s *Share) take(ctx context.Context) error {
	if g := s.present(); g != nil && g.term.ctx.Err() != nil {
		s.drop(g) // before anything is written for it
	}
	s.mu.Lock()
	g, want := s.grant, s.want
	needless := g != nil && want == 0 && g.used == 0 && s.view.sent == nil && s.view.parts[g.term.id] == (part{})
	stray := g == nil && s.keyed != nil && s.keeper.isIn(s.view.parts)
	s.mu.Unlock()
	switch {
	case needless:
		s.drop(g)
		return nil
	case g != nil || want == 0 && !stray:
		return nil
	}
	term, err := s.keeper.Take(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grant = &grant{term: term, since: time.Now()}
	if s.keyed != nil {
		s.grant.ignore = context.AfterFunc(term.ctx, s.stir)
	}
	if s.limit != nil {
		s.grant.bucket = newBucket(*s.limit, time.Now())
	}
	s.allow() // it has units by a write that has come late
	return nil
}

// write is a change of the record.
type write struct {
	parts  parts
	at     queue.Revision
	repeat bool // the outcome of an earlier one for the revision is not known

	grant        *grant // nil if the program has none
	gives, takes int64  // of a bucket: see carry
}

// plan returns the change that should be made, or nil, and when to look again. From then on the
// program uses no more units than it has with and without the change.
func (s *Share) plan() (*write, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := &s.view
	if !v.known {
		return nil, 0
	}
	next := maps.Clone(v.parts)
	if next == nil {
		next = parts{}
	}
	s.observers.clear(next)
	w := &write{parts: next, at: v.record.Revision, repeat: v.sent != nil, grant: s.grant}
	var look time.Duration
	if g := s.grant; g != nil {
		look = s.adjust(g, next)
		s.carry(w)
		s.observers.follow(next, g.term.id)
	}
	if maps.Equal(next, v.parts) && !w.repeat {
		return nil, look
	}
	v.sent = w
	return w, look
}

// adjust sets the program's own part in next. It returns when to look again.
func (s *Share) adjust(g *grant, next parts) (look time.Duration) {
	id := g.term.id
	mine, found := next[id]
	if !found {
		mine.Turn = next.nextTurn()
	}
	mine.Node, mine.Hungry = s.keeper.cfg.Node, s.want > mine.Has
	next[id] = mine
	held, turn, stale := time.Since(g.since), s.turnTime(g, next), time.Since(s.view.since)
	want, look := s.wanted(g, mine.Has)
	goal := aim{next, id, s.total, want, held >= turn, stale >= insistsAfter}.goal()
	switch {
	case mine.Hungry && goal < s.want && stale < insistsAfter:
		look = sooner(look, insistsAfter-stale)
	case mine.Has > goal || mine.Has > 0 && held < turn:
		look = sooner(look, turn-held)
	}
	g.goal = goal
	goal = max(goal, min(g.used, mine.Has)) // what is in use is given back later
	if goal > mine.Has || goal == 0 && mine.Has > 0 {
		mine.Turn = next.nextTurn()
	}
	g.has = min(g.has, goal) // at once, because the write may be applied at any time
	mine.Has, mine.Hungry = goal, s.want > goal
	next[id] = mine
	if goal == 0 && s.want == 0 {
		delete(next, id)
	}
	return look
}

// wanted returns how many units the program should ask for: also those that it has not used for a
// moment only.
func (s *Share) wanted(g *grant, has int) (want int, look time.Duration) {
	want = max(s.want, g.used)
	if want >= has {
		s.calm = time.Time{}
		return want, 0
	}
	if s.calm.IsZero() {
		s.calm = time.Now()
	}
	if look = s.patience(g, time.Since(s.calm)); look > 0 {
		return has, look
	}
	return want, 0
}

// sooner returns the shorter of two times; zero is never.
func sooner(a, b time.Duration) time.Duration {
	if a <= 0 {
		return max(0, b)
	}
	if b <= 0 {
		return a
	}
	return min(a, b)
}

// put makes a change. After a conflict it looks what the record is now.
func (s *Share) put(ctx context.Context, w *write) error {
	record, err := s.apply(ctx, w)
	switch {
	case guard.Is(err, queue.ErrConflict), guard.Is(err, queue.ErrUncertain):
		s.missed(w, err)
		var failed error
		if record, failed = s.get(ctx); failed != nil {
			return err
		}
	case err != nil:
		s.undo(w)
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(record)
	return err
}

// apply writes the record, or removes that of a key without parts.
func (s *Share) apply(ctx context.Context, w *write) (queue.Record, error) {
	if s.keyed != nil && len(w.parts) == 0 && w.at != queue.Absent {
		return queue.Record{}, s.keeper.store.Delete(ctx, s.key, w.at)
	}
	value := encode(w.parts)
	revision, err := s.keeper.store.Put(ctx, s.key, value, w.at, 0)
	return queue.Record{Key: s.key, Value: value, Revision: revision}, err
}

// get reads the record. The zero one means that there is none.
func (s *Share) get(ctx context.Context) (queue.Record, error) {
	record, err := s.keeper.store.Get(ctx, s.key)
	if guard.Is(err, queue.ErrNoRecord) {
		return queue.Record{}, nil
	}
	return record, err
}

// missed notes that a write was certainly not made, if it wasn't.
func (s *Share) missed(w *write, err error) {
	if guard.Is(err, queue.ErrConflict) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.spill(w)
	}
}

// undo notes that a write was not made. The program still has the units that it would have given
// back.
func (s *Share) undo(w *write) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !w.repeat && s.view.sent == w {
		s.view.sent = nil
		s.allow()
	}
	s.spill(w)
}
