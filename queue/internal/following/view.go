// Package following has the part of a queue.Store's Watch that does not depend on the broker: which
// changes are to be yielded, and when.
package following

import (
	"maps"
	"slices"
	"time"

	"github.com/gentask/gentask/queue"
)

// Every is the interval of queue.ChangeAlive.
const Every = 2 * time.Second

// View is what one loop over a Watch has yielded. It compares that with what a broker has, so that
// a driver can read all records again at any time, and the loop gets only the differences. The zero
// value has yielded nothing. It is used by one goroutine.
type View struct {
	known       map[string]queue.Revision
	seen        map[string]bool // by the reading that has begun; nil if it is over
	incarnation string
	told        time.Time // when ChangeAlive or ChangeCurrent was yielded last
}

// Begin starts to read all records of an incarnation. It reports whether a ChangeReset is to be
// yielded, because earlier records were of another one.
func (v *View) Begin(incarnation string) (reset bool) {
	reset = v.incarnation != "" && v.incarnation != incarnation
	if reset || v.known == nil {
		v.known = map[string]queue.Revision{}
	}
	v.incarnation, v.seen = incarnation, map[string]bool{}
	return reset
}

// Set reports whether a ChangeSet of a record is to be yielded, because it is newer than what was
// yielded of its key.
func (v *View) Set(key string, revision queue.Revision) bool {
	if v.seen != nil {
		v.seen[key] = true
	}
	if revision <= v.known[key] {
		return false
	}
	v.known[key] = revision
	return true
}

// Gone reports whether a ChangeGone of a key is to be yielded, because its record was.
func (v *View) Gone(key string) bool {
	if v.seen != nil {
		delete(v.seen, key)
	}
	_, found := v.known[key]
	delete(v.known, key)
	return found
}

// Whole ends what Begin has started. It returns the keys of records that were yielded earlier and
// are not there any more, in their order: a ChangeGone of each is to be yielded, and then
// ChangeCurrent.
func (v *View) Whole() (gone []string) {
	for _, key := range slices.Sorted(maps.Keys(v.known)) {
		if !v.seen[key] {
			gone = append(gone, key)
			delete(v.known, key)
		}
	}
	v.seen, v.told = nil, time.Now()
	return gone
}

// IsWhole reports whether Whole was called after the last Begin.
func (v *View) IsWhole() bool { return v.incarnation != "" && v.seen == nil }

// Due returns when the next ChangeAlive is due.
func (v *View) Due() time.Time { return v.told.Add(Every) }

// Alive reports whether a ChangeAlive is to be yielded: it is due, and all changes before since
// were yielded, which must not be too long ago.
func (v *View) Alive(since time.Time) bool {
	now := time.Now()
	if !v.IsWhole() || now.Before(v.Due()) || now.Sub(since) > Every {
		return false
	}
	v.told = now
	return true
}
