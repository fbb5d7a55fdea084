package memory

import (
	"fmt"
	"slices"
	"time"

	"github.com/gentask/gentask/queue"
)

// Op is what an Entry is about. The set is closed.
type Op uint8

// The ops. Each says which fields of Entry it fills besides Time.
const (
	Published  Op = iota + 1 // a message was accepted: ID, Attempt
	Repeated                 // a message was dropped for its UniqueKey: ID
	Duplicated               // a fault made a copy of a message: ID, Attempt
	Due                      // the delay of a message has passed: ID, Attempt of its next delivery
	Opened                   // a session was opened: Session, Prefetch
	Delivered                // a delivery was handed out: Session, Tag, ID, Attempt
	Settled                  // a settlement was applied: Session, Tag, ID, Attempt, Disposition
	Refused                  // a settlement was not applied: Session to which it was given, Tag, ID, Attempt, Disposition, Err
	Lost                     // a session was lost: Session
	Closed                   // a session was closed: Session
	Returned                 // an unsettled delivery came back after its session's end: Session, Tag, ID, Attempt
	GivenBack                // a delivery was given back by Session.Return: Session, Tag, ID, Attempt, Disposition that was wanted
)

// String returns the op's name.
func (o Op) String() string {
	switch o {
	case Published:
		return "published"
	case Repeated:
		return "repeated"
	case Duplicated:
		return "duplicated"
	case Due:
		return "due"
	case Opened:
		return "opened"
	case Delivered:
		return "delivered"
	case Settled:
		return "settled"
	case Refused:
		return "refused"
	case Lost:
		return "lost"
	case Closed:
		return "closed"
	case Returned:
		return "returned"
	case GivenBack:
		return "given back"
	}
	return fmt.Sprintf("op(%d)", uint8(o))
}

// Entry is one line of the journal. Fields that its Op does not fill are zero.
type Entry struct {
	Time        time.Time
	Op          Op
	Session     int
	Prefetch    int
	Tag         uint64
	ID          string
	Attempt     int
	Disposition queue.Disposition
	Err         error
}

// Journal returns a copy of everything that has happened so far, in order; nothing unless Config.Journal is set.
func (q *Queue) Journal() []Entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.journal)
}

// note writes an entry, when there is a journal.
func (q *Queue) note(e Entry) {
	if !q.cfg.Journal {
		return
	}
	e.Time = time.Now()
	q.journal = append(q.journal, e)
}
