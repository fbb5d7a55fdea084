package lease

import (
	"context"
	"sync"

	"github.com/gentask/gentask/queue"
)

// Keys are this program's units of many keys, of each of which the programs of a fleet never have
// more than the total together. Its methods are safe for concurrent use.
//
// Each key in use is a [Share] with a record of its own, which is read and written when a unit is
// wanted, and removed when no program has one. The shares have no goroutines: those of which
// something has changed wait in a queue for one of a few workers. One watch of all records makes
// shares read again what others have changed. A unit that is not used is kept for a second.
type Keys struct {
	keeper  *Keeper
	prefix  string
	total   int
	part    func(string) string
	changed func()
	ctx     context.Context
	end     context.CancelFunc
	turns   turns
	work    sync.WaitGroup

	mu       sync.Mutex
	watching bool
	closed   bool
	byKey    map[string]*Share
	byRecord map[string]*Share // also those of which only the record is known
}

// keyed is a share's place among Keys.
type keyed struct {
	keys *Keys
	key  string
	told int // units that the program may use, as told by changed; of the worker
	turn turn
}

// Keys returns this program's units of all keys under that name, a part of a key: total for each.
// It has none until [Keys.Want] asks for some. Part makes a part of a key of any text, and changed
// is called when a unit of any key may have become free; it must not block.
func (k *Keeper) Keys(name string, total int, part func(string) string, changed func()) *Keys {
	all := &Keys{
		keeper: k, prefix: "key." + name, total: total, part: part, changed: changed,
		byKey: map[string]*Share{}, byRecord: map[string]*Share{},
	}
	all.ctx, all.end = context.WithCancel(k.life)
	all.turns.keys = all
	return all
}

// Want sets how many units of a key the program could use now. It has no effect after Close.
func (k *Keys) Want(key string, n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return
	}
	if !k.watching {
		k.watching = true
		k.work.Go(k.watch)
	}
	s := k.byKey[key]
	if s == nil && n > 0 {
		s = k.of(k.prefix + "." + k.part(key))
		s.keyed.key = key
		k.byKey[key] = s
	}
	if s != nil {
		s.Want(min(n, k.total))
	}
}

// of returns the share of a record. The mutex is held.
func (k *Keys) of(record string) *Share {
	s := k.byRecord[record]
	if s == nil {
		s = k.keeper.newShare(record, k.total, nil, k.changed)
		s.keyed = &keyed{keys: k}
		k.byRecord[record] = s
	}
	return s
}

// Acquire returns a unit of a key if the program has one that is not used. It never waits.
func (k *Keys) Acquire(key string) (*Permit, bool) {
	k.mu.Lock()
	s := k.byKey[key]
	k.mu.Unlock()
	if s == nil {
		return nil, false
	}
	return s.Acquire()
}

// Len returns how many keys the program has something to do with.
func (k *Keys) Len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.byRecord)
}

// Close gives all units back, and waits until all permits are released, or the lease has ended: see
// [Keeper.Close].
func (k *Keys) Close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.turns.stop()
	k.end()
	k.work.Wait()
	k.mu.Lock()
	all := make(chan *Share, len(k.byRecord))
	for _, s := range k.byRecord {
		all <- s
	}
	k.mu.Unlock()
	close(all)
	for range mostWorkers {
		k.work.Go(func() {
			for s := range all {
				s.Want(0)
				s.leave()
				s.observers.end()
			}
		})
	}
	k.work.Wait()
}

// watch makes the shares look whose records others have changed.
func (k *Keys) watch() {
	for c, err := range k.keeper.store.Watch(k.ctx, k.prefix) {
		if err != nil {
			return // the store refuses, and so it does when a unit is wanted
		}
		switch c.Kind {
		case queue.ChangeSet, queue.ChangeGone:
			k.saw(c.Record)
		case queue.ChangeReset:
			k.mu.Lock()
			for _, s := range k.byRecord {
				s.outdate(queue.Record{Revision: queue.Always})
			}
			k.mu.Unlock()
		case queue.ChangeCurrent, queue.ChangeAlive:
		}
	}
}

// saw notes that a record has changed. One that refers to this program's lease, though the program
// has nothing to do with it, is of a write that has come late: its share gives the units back.
func (k *Keys) saw(r queue.Record) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.byRecord[r.Key]
	if s == nil && k.keeper.isNamed(r.Value) {
		s = k.of(r.Key)
	}
	if s != nil {
		s.outdate(r)
	}
}

// step does what is to be done for a share, once.
func (k *Keys) step(s *Share) {
	look := s.step(k.ctx)
	s.keyed.told = s.tell(s.keyed.told)
	if k.forget(s) {
		s.observers.end()
		return
	}
	k.turns.later(s, look)
}

// forget drops a share that has nothing, wants nothing, and has no write on its way.
func (k *Keys) forget(s *Share) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.want > 0 || s.grant != nil || s.view.sent != nil {
		return false
	}
	if k.byRecord[s.key] == s {
		delete(k.byRecord, s.key)
		delete(k.byKey, s.keyed.key)
	}
	return true
}

// outdate makes a share of a key read its record again, if the change is not one that it has made.
func (s *Share) outdate(r queue.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Revision != s.view.record.Revision {
		s.view.known = false
		s.stir()
	}
}

// load reads the record of a share of a key, unless it is known. The news of the watch are no more
// than a hint: they may be older than what the program has written since.
func (s *Share) load(ctx context.Context) error {
	s.mu.Lock()
	known := s.view.known
	s.view.known = true // a change that comes meanwhile outdates it
	s.mu.Unlock()
	if known {
		return nil
	}
	record, err := s.get(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.view.known = false
		return err
	}
	s.note(record)
	return nil
}

// dropLost forgets a grant whose lease is lost.
func (s *Share) dropLost() {
	if g := s.present(); g != nil && g.term.ctx.Err() != nil {
		s.drop(g)
	}
}

// othersHungry reports whether another program could use more units than it has.
func (s *Share) othersHungry(me string) bool {
	for id, p := range s.view.parts {
		if id != me && p.Hungry {
			return true
		}
	}
	return false
}
