package admission

import (
	"time"

	"github.com/gentask/gentask/internal/list"
)

// Identity identifies a publishing: two messages are the same one if both numbers are equal. The
// zero value is the identity of none.
type Identity struct {
	ID   uint64 // a hash of the message's ID
	Rest uint64 // a hash of everything else that its publisher chose, or the broker numbered
}

// Item is a delivery, as far as admission is concerned. It is a field of the record that the caller
// has of the delivery. The exported fields are set before [Queue.Push] and must not change while
// the item is in the queue.
type Item struct {
	Owner    any // the caller's record
	Identity Identity
	Serial   uint64 // items are in the order of their serials
	Attempt  int    // from 1
	Keys     *Keys  // nil for none

	Used        int32 // attempts before this copy of the message was made, on purpose; of a marked one, those known
	Redelivered bool  // as the broker reports
	Marked      bool  // a suspect: see [Suspects]
	Isolated    bool  // it comes from the place for suspects, and is marked too

	state   state
	ahead   uint8 // the number of chains in which others are before it
	waiting list.Links[Item]
	chained [chainKinds]list.Links[Item]
}

// Keys are the names by which an item shares a limit or an order with others; an empty one is none.
type Keys struct {
	Order   string // items of one key start one after the other
	Fair    string // keys take turns
	Rate    string // of KeyRate
	Breaker string // of KeyBreaker
	Fleet   string // of FleetLimits.PerKey

	// NotBefore is when the item may start at the earliest. The zero time is at once.
	NotBefore time.Time
	// Floor reports whether NotBefore is the floor of a delivery that was returned.
	Floor bool
	// HoldUntil is how long an item with an Order key stays here while the breaker of its key is
	// open. The zero time is for ever.
	HoldUntil time.Time
}

// noKeys are the keys of an item that has none.
var noKeys Keys

// keys returns the item's keys, which must not be changed.
func (it *Item) keys() *Keys {
	if it.Keys == nil {
		return &noKeys
	}
	return it.Keys
}

// Working reports whether the item was started, and has not ended.
func (it *Item) Working() bool { return it.state == working }

// RateKey returns the key of its rate; empty if it has none.
func (it *Item) RateKey() string { return it.keys().Rate }

// FleetKey returns the key of the fleet's limit; empty if it has none.
func (it *Item) FleetKey() string { return it.keys().Fleet }

// OrderKey returns the order key of the item; empty if it has none.
func (it *Item) OrderKey() string { return it.keys().Order }

// Delay makes the item wait until at, because of its floor. It must not be in the queue yet.
func (it *Item) Delay(at time.Time) {
	own := *it.keys()
	own.NotBefore, own.Floor = at, true
	it.Keys = &own
}

// state is the way of an item through the queue. The set is closed.
type state uint8

const (
	outside state = iota // not in the queue, or no longer
	waiting              // may be returned by Next
	named                // was returned by Next; Started or Gone follows
	working              // was started
)

// Waiting reports whether the item waits in the queue.
func (it *Item) Waiting() bool { return it.state == waiting }
