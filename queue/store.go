package queue

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Store keeps small durable records under keys, each with a revision. Commands, leases, limits and
// singletons of a fleet are built on it, so a driver implements it only if it can keep the whole
// contract. Its methods are safe for concurrent use, and honour ctx.
//
// A key has 1 to 200 bytes: parts of letters, digits, hyphens, underscores and equals signs, which
// are separated by dots. [EncodeKey] makes a part of any text. Another key is [ErrConfig]. A prefix
// is a key, and matches itself and the keys that go on with a dot behind it; an empty one matches
// all.
//
// Every method returns [ErrUnavailable] within five seconds if the broker is away and nothing was
// written, [ErrClosed] after Close, ErrConfig if a right is missing, and the error of ctx if that
// ends before.
type Store interface {
	// Get returns the record of key, and [ErrNoRecord] if there is none. It returns the newest
	// value that any Put confirmed before Get was called.
	Get(ctx context.Context, key string) (Record, error)

	// Put writes value under key, if the record meets the condition: [Absent], [Always], or the
	// revision of the present record. It returns the new revision, after the broker has confirmed
	// it. [ErrConflict] means that the record was another, and nothing was written. [ErrUncertain]
	// means that the answer was lost: the value may have been written. A record disappears keep
	// after its last Put, by the broker's clock; zero keeps it for good, and less than zero is
	// ErrConfig. It lasts for keep at least, and disappears for every reader within two seconds
	// after that.
	Put(ctx context.Context, key string, value []byte, condition Revision, keep time.Duration) (Revision, error)

	// Delete removes the record of key, if it meets the condition: Always or a revision; Absent is
	// ErrConfig. To delete a record that isn't there is ErrConflict with a revision, and no error
	// with Always. Errors are those of Put.
	Delete(ctx context.Context, key string, condition Revision) error

	// Clear removes every record with the prefix. Records that are put meanwhile may stay or go.
	// After ErrUncertain, some may have gone.
	Clear(ctx context.Context, prefix string) error

	// Count returns how many records have the prefix.
	Count(ctx context.Context, prefix string) (int, error)

	// Watch yields the records with the prefix, then each change, until ctx or the loop ends. See
	// [ChangeKind] for what it yields. It never gives up, and is never silent: connections that are
	// lost, servers that restart, and stores that are made again are its own business. Changes of
	// one key come in the order of their revisions; one that was followed by another may be left
	// out. It yields an error only as the last thing: of a bad prefix, of rights, or ErrClosed.
	Watch(ctx context.Context, prefix string) iter.Seq2[Change, error]

	// Facts returns the promises of the store. It asks the broker.
	Facts(ctx context.Context) (StoreFacts, error)

	// Close ends the store and its watches. It is idempotent.
	Close() error
}

// Revision numbers the writes of a store. The revisions of a key grow as long as the store's
// incarnation is the same, also over a Delete. A new incarnation begins with the microseconds since
// 1970 by its clock, so its revisions are larger than those before, unless the clock went back.
type Revision uint64

const (
	// Absent as a condition means that there must be no record. No record has it.
	Absent Revision = 0

	// Always as a condition means that any record may be there, or none. No record has it.
	Always Revision = 1<<64 - 1
)

// Record is what a [Store] keeps under a key.
type Record struct {
	Key      string
	Value    []byte
	Revision Revision
}

// Change is one thing that a [Store.Watch] yields.
type Change struct {
	Kind ChangeKind

	// Record is what was set. Of a record that has gone it has only the key. It is zero for the
	// other kinds.
	Record Record
}

// ChangeKind is the kind of a [Change]. The set is closed.
type ChangeKind uint8

const (
	// ChangeSet means that Record was written, or was there when the watch began.
	ChangeSet ChangeKind = iota
	// ChangeGone means that Record was deleted, or its time is over.
	ChangeGone
	// ChangeCurrent means that all that was there when the watch began, or began again, was
	// yielded.
	ChangeCurrent
	// ChangeReset means that all that was yielded before is void: the store was made again, or the
	// watch has missed changes. All records follow, then ChangeCurrent.
	ChangeReset
	// ChangeAlive means that the watch has made sure, within the last two seconds, that it has not
	// missed anything. It comes every two seconds. If none has come for five, the broker is away.
	ChangeAlive
)

// StoreFacts are the promises of a [Store].
type StoreFacts struct {
	// Incarnation names this store. Another name means that it was made again: its records are
	// gone, and revisions begin again.
	Incarnation string

	// MaxValue is the largest value of a record, in bytes; at least 32 KiB.
	MaxValue int

	// MinLease is the shortest time for which a lease makes sense: it covers what the broker needs
	// to recover from the death of one of its servers.
	MinLease time.Duration

	// Durability is what a confirmed record survives.
	Durability Durability
}

// Durability is what a confirmed record of a [Store] survives. The set is closed, and ordered.
type Durability uint8

const (
	// UntilExit means that records end with this process.
	UntilExit Durability = iota
	// UntilPowerLoss means that records survive the death of any process, but not that of the
	// machine that keeps them.
	UntilPowerLoss
	// ThroughPowerLoss means that records are on disk, or on a majority of machines, when they are
	// confirmed.
	ThroughPowerLoss
)

var (
	// ErrNoRecord is returned by [Store.Get] when there is no record.
	ErrNoRecord = errors.New("queue: no such record")

	// ErrConflict is returned when a record is not as the condition wants. Nothing was written.
	ErrConflict = errors.New("queue: the record has changed")

	// ErrUncertain is returned when the answer to a write was lost: it may have been applied. Read
	// the record again before you repeat it.
	ErrUncertain = errors.New("queue: the write may have been applied")
)
