package queue

import "fmt"

// Until is until when a [Message.UniqueKey] is taken. The set is closed.
type Until uint8

const (
	// UntilWindowEnds means for as long as the queue remembers keys, from the publishing of the
	// first message on, also if that is done or dead. See the driver's Config and [Deduplicator].
	UntilWindowEnds Until = iota

	// UntilDone means for as long as the first message waits, is delayed, or is held: from its
	// publishing until it is acknowledged, dead-lettered or deleted. A release, a requeue, and the
	// loss of its session or process keep the key. It has no time limit.
	//
	// A dead letter that is given back takes its key again. It stays a letter if another message
	// has taken the key since: see [ErrKeyTaken].
	//
	// The drivers memory and postgres support it. Others refuse it with [ErrUnsupported].
	UntilDone
)

// String returns the name.
func (u Until) String() string {
	switch u {
	case UntilWindowEnds:
		return "window ends"
	case UntilDone:
		return "done"
	}
	return fmt.Sprintf("until(%d)", uint8(u))
}

// checkUnique returns an error that names the invalid field.
func (m *Message) checkUnique() error {
	switch {
	case m.UniqueUntil > UntilDone:
		return fmt.Errorf("%w: Message.UniqueUntil is %v: want UntilWindowEnds or UntilDone", ErrConfig, m.UniqueUntil)
	case m.UniqueUntil == UntilDone && m.UniqueKey == "":
		return fmt.Errorf("%w: Message.UniqueUntil is %v and Message.UniqueKey is empty: "+
			"want a key, or UntilWindowEnds",
			ErrConfig, m.UniqueUntil)
	}
	return nil
}
