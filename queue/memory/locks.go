package memory

import (
	"github.com/gentask/gentask/queue"
)

// locks are the keys of the messages with [queue.UntilDone]. The zero value has none, and then
// costs a message a look at the length of a map.
type locks struct {
	holder map[string]uint64 // the sequence of the message that has a key
	held   map[uint64]*lock  // by sequence
}

// lock is the key of one message.
type lock struct {
	key    string
	copies int // how many of the message are in the queue: more than one after Faults.Duplicate
}

// taken reports whether a message has the key.
func (l *locks) taken(key string) bool {
	_, taken := l.holder[key]
	return taken
}

// take gives the key, which must be free, to a message.
func (l *locks) take(key string, sequence uint64) {
	if l.holder == nil {
		l.holder, l.held = map[string]uint64{}, map[uint64]*lock{}
	}
	l.holder[key], l.held[sequence] = sequence, &lock{key, 1}
}

// copied counts one more copy of a message.
func (l *locks) copied(sequence uint64) {
	if held := l.held[sequence]; held != nil {
		held.copies++
	}
}

// gone counts one copy less, and frees the key after the last one. It returns the key, or "".
func (l *locks) gone(sequence uint64) string {
	if len(l.held) == 0 {
		return ""
	}
	held := l.held[sequence]
	if held == nil {
		return ""
	}
	if held.copies--; held.copies == 0 {
		delete(l.held, sequence)
		delete(l.holder, held.key)
	}
	return held.key
}

// repeated reports whether m is a duplicate of another message. Otherwise it starts the window of
// the key, if m has one.
func (q *Queue) repeated(m *queue.Message) bool {
	switch {
	case m.UniqueKey == "":
		return false
	case m.UniqueUntil == queue.UntilDone:
		return q.locks.taken(m.UniqueKey)
	}
	return q.keys.repeated(m.UniqueKey)
}
