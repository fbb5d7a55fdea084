package memory

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
)

// bucket has the records of one name, which several stores share.
type bucket struct {
	mu          sync.Mutex
	incarnation string
	last        queue.Revision
	records     map[string]keeping
	watches     map[*watch]struct{}
}

// keeping is a record, and the timer that ends it; nil if nothing does.
type keeping struct {
	queue.Record
	end *time.Timer
}

func newBucket() *bucket {
	b := &bucket{watches: map[*watch]struct{}{}}
	b.begin()
	return b
}

// begin starts an incarnation, whose revisions are larger than any before.
func (b *bucket) begin() {
	b.last = max(b.last+1, queue.Revision(time.Now().UnixMicro())) //nolint:gosec // after 1970
	b.incarnation = fmt.Sprint(b.last)
	b.records = map[string]keeping{}
}

// wipe starts another incarnation.
func (b *bucket) wipe() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, one := range b.records {
		one.stop()
	}
	b.begin()
	for w := range b.watches {
		w.restart(queue.ChangeReset)
	}
}

// get returns a copy of a record.
func (b *bucket) get(key string) (queue.Record, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	one, found := b.records[key]
	if !found {
		return queue.Record{}, queue.ErrNoRecord
	}
	return copied(one.Record), nil
}

// put writes a record, which owns value from then on.
func (b *bucket) put(key string, value []byte, condition queue.Revision, keep time.Duration) (queue.Revision, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.records[key]
	if condition != queue.Always && condition != before.Revision {
		return 0, queue.ErrConflict
	}
	before.stop()
	b.last++
	one := keeping{Record: queue.Record{Key: key, Value: value, Revision: b.last}}
	if keep > 0 {
		one.end = time.AfterFunc(keep, func() { b.expire(key, one.Revision) })
	}
	b.records[key] = one
	b.tell(queue.Change{Kind: queue.ChangeSet, Record: one.Record})
	return b.last, nil
}

// remove deletes a record.
func (b *bucket) remove(key string, condition queue.Revision) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if condition != queue.Always && condition != b.records[key].Revision {
		return queue.ErrConflict
	}
	b.drop(key)
	return nil
}

// clear deletes the records with a prefix.
func (b *bucket) clear(prefix string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key := range b.records {
		if queue.HasPrefix(key, prefix) {
			b.drop(key)
		}
	}
}

// expire deletes a record whose time is over, unless it was put again.
func (b *bucket) expire(key string, revision queue.Revision) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.records[key].Revision == revision {
		b.drop(key)
	}
}

// drop removes a record, if there is one.
func (b *bucket) drop(key string) {
	one, found := b.records[key]
	if !found {
		return
	}
	one.stop()
	delete(b.records, key)
	b.last++
	b.tell(queue.Change{Kind: queue.ChangeGone, Record: queue.Record{Key: key, Revision: b.last}}) // for inOrder
}

// count returns the number of records with a prefix.
func (b *bucket) count(prefix string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for key := range b.records {
		if queue.HasPrefix(key, prefix) {
			n++
		}
	}
	return n
}

// name returns the incarnation.
func (b *bucket) name() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.incarnation
}

// tell hands a change to the watches of its key.
func (b *bucket) tell(c queue.Change) {
	for w := range b.watches {
		w.add(c)
	}
}

// all returns the records with a prefix as changes, in the order of their revisions.
func (b *bucket) all(prefix string) []queue.Change {
	var changes []queue.Change
	for key, one := range b.records {
		if queue.HasPrefix(key, prefix) {
			changes = append(changes, queue.Change{Kind: queue.ChangeSet, Record: one.Record})
		}
	}
	return inOrder(slices.Values(changes))
}

func (k keeping) stop() {
	if k.end != nil {
		k.end.Stop()
	}
}

// copied returns a record whose value the caller may change.
func copied(r queue.Record) queue.Record {
	r.Value = slices.Clone(r.Value)
	return r
}
