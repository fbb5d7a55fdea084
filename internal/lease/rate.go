package lease

import "time"

// Rate is this program's part of a number of starts, of which the programs of a fleet never make
// more than the limit together. Its methods are safe for concurrent use; at most one token must be
// out at a time.
//
// It is a [Share] of units, with a bucket that all of the program's units fill. The tokens of units
// go along when the program gives them back, and come along when it takes some. Those of a program
// whose lease was lost are lost. So no start is made that the limit does not allow, and none is
// lost while nothing fails.
type Rate struct {
	share *Share
	taken *grant // of the last token; the mutex of the share guards it
}

// longestCalm is how long a program keeps the units of a rate that it does not use, though they
// are not full.
const longestCalm = time.Minute

// Rate returns this program's part of a rate of that name, a part of a key. It is empty until
// [Rate.Want] asks for it. Changed is called when [Rate.Take] may succeed, on a goroutine of the
// rate; it must not block.
func (k *Keeper) Rate(name string, l Limit, changed func()) *Rate {
	return &Rate{share: k.open("rate."+name, l.units(), &l, changed)}
}

// Want sets whether the program could make more starts now.
func (r *Rate) Want(more bool) {
	n := 0
	if more {
		n = r.share.total
	}
	r.share.Want(n)
}

// Take takes a token, which is good for a start at once. If there is none, it returns when there
// will be one; the zero time is for when changed is called. It never waits.
func (r *Rate) Take() (ok bool, at time.Time) {
	s := r.share
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.grant
	if g == nil || !g.term.live() {
		return false, time.Time{}
	}
	ok, at = g.bucket.take(time.Now())
	r.taken = g
	return ok, at
}

// Return gives the last token back, which was not used.
func (r *Rate) Return() {
	s := r.share
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.grant == r.taken && s.grant != nil {
		s.grant.bucket.add(token, time.Now())
	}
}

// Close gives the part back: see [Share.Close].
func (r *Rate) Close() { r.share.Close() }

// freeUnits is the key of the part of a record that has the level of the free units.
const freeUnits = ""

// carry moves tokens by a write. Those for which the program has no room any more go to the free
// units, and those of the free units come with the units that it takes. The first are taken off the
// bucket at once, because the write may be applied at any time. The second are added when the
// record shows that it was. The mutex is held.
func (s *Share) carry(w *write) {
	g, b := w.grant, w.grant.bucket
	if b == nil {
		return
	}
	w.gives = b.resize(g.may(), time.Now()) + g.spilled
	g.spilled = 0
	mine, free := w.parts[g.term.id].Has, w.parts[freeUnits]
	free.Level += w.gives
	if mine > s.view.parts[g.term.id].Has && !w.repeat {
		w.takes = min(free.Level, b.unit*int64(mine)-b.level)
	}
	free.Level = min(free.Level-w.takes, b.unit*int64(max(0, s.total-w.parts.has())))
	if free == (part{}) {
		delete(w.parts, freeUnits)
	} else {
		w.parts[freeUnits] = free
	}
}

// carried adds what a write has taken, if the record shows that it was made. Of writes for the same
// revision only the first takes anything, and it takes nothing if there were others, because the
// record does not show which of them was made. The mutex is held.
func (s *Share) carried(w *write, before parts) {
	g := w.grant
	if g == nil || g != s.grant || w.takes == 0 {
		return
	}
	id := g.term.id
	if s.view.parts[id] == w.parts[id] && before[id] != w.parts[id] {
		g.bucket.add(w.takes, time.Now())
	}
}

// spill notes that a write was certainly not made. The mutex is held.
func (s *Share) spill(w *write) {
	if w.grant != nil && w.grant == s.grant {
		w.grant.spilled += w.gives
	}
}

// patience returns for how long the program still keeps units that it has not used for a time.
// Those of a rate go when they are full, or others want them; those of a key as soon as others want
// them.
func (s *Share) patience(g *grant, unused time.Duration) time.Duration {
	hungry := (g.bucket != nil || s.keyed != nil) && s.othersHungry(g.term.id)
	switch {
	case hungry && s.keyed != nil:
		return 0
	case hungry:
		return quantum - unused
	case g.bucket == nil:
		return calms - unused
	}
	return max(calms-unused, min(g.bucket.full(time.Now()), longestCalm-unused))
}

// turnTime returns how long a program keeps its units at least, though others starve. With more
// programs than units of a rate, each turn is good for a start.
func (s *Share) turnTime(g *grant, p parts) time.Duration {
	if g.bucket == nil || p.fair(s.total) > 0 {
		return quantum
	}
	return max(quantum, min(g.bucket.period(), longestCalm))
}
